package host

import (
	"deployer/controllers"
	"deployer/providers"
	"deployer/providers/files"
	"deployer/providers/systemd"
)

// Watchers are the eyes of the daemon: with them, what somebody breaks by hand is seen at
// once, and not with the next full pass.
func (h *Handle) Watchers(s *controllers.Set) []providers.Watcher {
	paths := h.Config.Paths()
	return []providers.Watcher{
		h.Systemd.Watcher(s.Names),
		h.Caddy.Watcher(s.Names),
		files.New(files.Options{
			Paths: paths, UnitDirs: systemd.HandDirs(paths), Names: s.Names, EnvFiles: s.EnvFiles, Notice: h.Systemd.Relist,
		}),
	}
}
