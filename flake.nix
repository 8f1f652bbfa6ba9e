{
  description = "A mini-PaaS for small teams with Nix-built services on 1 to 10 Linux hosts";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      each =
        f:
        builtins.listToAttrs (
          map (system: {
            name = system;
            value = f nixpkgs.legacyPackages.${system};
          }) systems
        );
    in
    {
      packages = each (pkgs: {
        default = pkgs.buildGoModule {
          pname = "biz-deployer";
          version = self.shortRev or self.dirtyShortRev or "unknown";
          src = self;
          # `make generate` writes it after a change of go.mod.
          vendorHash = import ./config/nixos/vendor-hash.nix;
          subPackages = [
            "cmd/biz-deployer"
            "cmd/deployerctl"
            "cmd/deploy-manifest"
            "cmd/deploy-push"
          ];
          env.CGO_ENABLED = 0;
          ldflags = [
            "-s"
            "-w"
            "-X deployer/cmd/internal/cli.Version=${self.shortRev or self.dirtyShortRev or "unknown"}"
          ];
          # Tests want root and test hosts: `make test` runs them.
          doCheck = false;
          meta = {
            description = "Keeps a host as a manifest in object storage says";
            mainProgram = "deployerctl";
          };
        };
      });

      nixosModules.default =
        { lib, pkgs, ... }:
        {
          imports = [ ./config/nixos/module.nix ];
          services.biz-deployer.package = lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.default;
        };

      devShells = each (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.go
            pkgs.gnumake
            pkgs.git
          ];
        };
      });
    };
}
