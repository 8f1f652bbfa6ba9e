# Evaluates the module for the test beside this file:
#
#   nix-instantiate --eval --strict --json eval.nix --arg given '{ enable = true; … }'
#
# With `--arg realLib PATH`, the lib directory of a nixpkgs, its evalModules does the work, with
# NixOS's own options declared as loosely as can be.
{
  given,
  realLib ? null,
  virtualHosts ? { },
}:

let
  module = import ../../config/nixos/module.nix;
  pkgs = {
    coreutils = "/nix/store/00000000000000000000000000000000-coreutils";
    writeText = builtins.toFile;
  };
  hostName = "biz";
  caddy = {
    package = "/nix/store/00000000000000000000000000000000-caddy";
    inherit virtualHosts;
  };

  standIn = (import ./lib.nix).evaluate {
    inherit module given pkgs;
    prefix = "biz-deployer";
    others = {
      networking = { inherit hostName; };
      services = { inherit caddy; };
    };
  };

  lib = import realLib;
  anything = lib.mkOption {
    type = lib.types.attrsOf lib.types.anything;
    default = { };
  };
  evaluated = lib.evalModules {
    specialArgs = { inherit pkgs; };
    modules = [
      module
      {
        options = {
          assertions = lib.mkOption { type = lib.types.listOf lib.types.anything; };
          boot.extraSystemdUnitPaths = lib.mkOption { type = lib.types.listOf lib.types.str; };
          environment.systemPackages = lib.mkOption { type = lib.types.listOf lib.types.anything; };
          environment.etc = anything;
          networking.hostName = lib.mkOption { type = lib.types.str; };
          networking.firewall = anything;
          services.caddy = anything;
          systemd.tmpfiles.rules = lib.mkOption { type = lib.types.listOf lib.types.str; };
          systemd.services = anything;
        };
        config = {
          networking = { inherit hostName; };
          services = { inherit caddy; };
          services.biz-deployer = given;
        };
      }
    ];
  };
  real = {
    options = builtins.listToAttrs (
      map (o: {
        name = builtins.concatStringsSep "." (lib.tail o.loc);
        value = { inherit (o) type description; };
      }) (lib.filter (o: lib.take 2 o.loc == [ "services" "biz-deployer" ] && o.visible) (lib.optionAttrSetToDocList evaluated.options))
    );
    # What the module says, and not what it was given.
    config = lib.filterAttrsRecursive (_: v: v != { }) (
      evaluated.config
      // {
        _module = { };
        networking = removeAttrs evaluated.config.networking [ "hostName" ];
        services.caddy = removeAttrs evaluated.config.services.caddy (builtins.attrNames caddy);
      }
    );
  };
in
if realLib == null then standIn else real
