package main

import (
	"context"
	"fmt"
)

// remove takes the service away, and looks for what is left of it.
func (d *demo) remove(ctx context.Context) error {
	if _, err := d.run(ctx, d.laptop, 0, "deploy-manifest", "remove-service", service); err != nil {
		return err
	}
	for _, h := range d.hosts() {
		took, err := until(ctx, func() error {
			left, _, err := h.Exec(ctx, "sh", "-c",
				"systemctl list-units --all 'web*' --plain --no-legend; ls /etc/systemd/system /run/systemd/system | grep ^web; "+
					"find /var/lib/biz-deployer/releases /var/lib/biz-deployer/upstreams /nix/var/nix/gcroots/biz -mindepth 1 -name 'web*'")
			if err == nil && left != "" {
				err = fmt.Errorf("something of web is left on %s:\n%s", h.Name, left)
			}
			return err
		})
		if err != nil {
			return err
		}
		d.note("%s has no unit, release, upstream file nor GC root of web any more, after %.1f s", h.Name, took.Seconds())
	}
	_, err := d.run(ctx, d.laptop, 0, "deploy-manifest", "status", "--wait", "--timeout", "30s")
	return err
}
