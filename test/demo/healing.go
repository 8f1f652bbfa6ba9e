package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	v1 "deployer/api/v1"
)

// breakByHand does what people do at three in the morning, and waits until it is undone.
func (d *demo) breakByHand(ctx context.Context) error {
	const unitFile = "/run/systemd/system.control/web.service.d/50-Nice.conf"
	breaks := []struct{ script, well string }{
		{"systemctl stop web", "systemctl is-active web"},
		{"mkdir -p $(dirname " + unitFile + "); printf '[Service]\\nNice=19\\n' >" + unitFile, "test ! -e " + unitFile},
		{"rm /nix/var/nix/gcroots/biz/web*", "ls /nix/var/nix/gcroots/biz/web*"},
	}
	for i, b := range breaks {
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
		// What is broken while another thing is put right would count as one with it.
		if err := d.counted(ctx, i+1); err != nil {
			return err
		}
	}
	said, err := d.run(ctx, d.biz, 0, "deployerctl", "status", service)
	if err == nil && !strings.Contains(said, "healed 3 times") {
		err = fmt.Errorf("status does not say what was healed")
	}
	return err
}

// counted waits until biz is content, and has put right that many things.
func (d *demo) counted(ctx context.Context, things int) error {
	_, err := until(ctx, func() error {
		st, err := web(ctx, d.biz)
		if err == nil && (st.State != v1.Settled || st.Healed == nil || st.Healed.Count != things) {
			err = fmt.Errorf("%s on biz is %s, and has to have healed %d times: %+v", service, st.State, things, st.Healed)
		}
		return err
	})
	return err
}
