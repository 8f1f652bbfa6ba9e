package main

import "context"

// goBack takes the release of one service back to the one before, and nothing else.
func (d *demo) goBack(ctx context.Context) error {
	if err := d.saying(ctx, []string{"the first release", "faster, they said", "five stars"},
		d.laptop, 0, "deploy-manifest", "history", service); err != nil {
		return err
	}
	if _, err := d.run(ctx, d.laptop, 0, "deploy-manifest", "rollback", "--service", service, "-m", "five stars are too many"); err != nil {
		return err
	}
	if _, err := d.run(ctx, d.laptop, 0, "deploy-manifest", "status", "--wait", "--timeout", "60s"); err != nil {
		return err
	}
	return d.answers(ctx, "four", d.hosts()...)
}
