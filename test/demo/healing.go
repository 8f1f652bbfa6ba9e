package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// breakByHand does what people do at three in the morning, and waits until it is undone.
func (d *demo) breakByHand(ctx context.Context) error {
	const unitFile = "/run/systemd/system.control/web.service.d/50-Nice.conf"
	for _, b := range []struct{ script, well string }{
		{"systemctl stop web", "systemctl is-active web"},
		{"mkdir -p $(dirname " + unitFile + "); printf '[Service]\\nNice=19\\n' >" + unitFile, "test ! -e " + unitFile},
		{"rm /nix/var/nix/gcroots/biz/web*", "ls /nix/var/nix/gcroots/biz/web*"},
	} {
		if _, err := d.run(ctx, d.biz, 0, "sh", "-c", b.script); err != nil {
			return err
		}
		took, err := until(ctx, func() error {
			_, _, err := d.biz.Exec(ctx, "sh", "-c", b.well)
			return err
		})
		if err != nil {
			return err
		}
		d.note("healed after %d ms", took.Round(time.Millisecond).Milliseconds())
		// What is broken while another thing is put right counts as one with it.
		if err := settled(ctx, d.biz); err != nil {
			return err
		}
	}
	said, err := d.run(ctx, d.biz, 0, "deployerctl", "status", service)
	if err == nil && !strings.Contains(said, "healed 3 times") {
		err = fmt.Errorf("status does not say what was healed")
	}
	return err
}
