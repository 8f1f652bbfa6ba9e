package main

import "context"

// pushWhileOff pushes a release that one host cannot hear of.
func (d *demo) pushWhileOff(ctx context.Context) error {
	if err := d.ava.PowerOff(); err != nil {
		return err
	}
	d.note("ava is off")
	path, err := d.build(ctx, "five", nil)
	if err != nil {
		return err
	}
	if err := d.saying(ctx, []string{"web on biz: settled", "web on ava: NotLookedAt"},
		d.laptop, 5, "deploy-push", service, path, "--wait", "--timeout", "8s", "-m", "five stars"); err != nil {
		return err
	}
	if err := d.answers(ctx, "five", d.biz); err != nil {
		return err
	}
	if err := d.ava.Boot(ctx); err != nil {
		return err
	}
	d.note("ava is back")
	if _, err := d.run(ctx, d.laptop, 0, "deploy-manifest", "status", "--wait", "--timeout", "60s"); err != nil {
		return err
	}
	return d.answers(ctx, "five", d.ava)
}
