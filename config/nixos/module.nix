# Deployer on NixOS. In a flake:
#
#   inputs.deployer.url = "…";
#   modules = [ deployer.nixosModules.default {
#     services.biz-deployer = {
#       enable = true;
#       store = "s3://acme-deploy?endpoint=nyc3.digitaloceanspaces.com&profile=acme";
#       trustedPublicKeys = [ "acme-1:Wl0nDZ0mPCSLcRbC2BIWXkXmlCm5wc3yMYVIJ2vPzRE=" ];
#       openFirewall = true;
#     };
#   } ];
#
# Reboot once after it was enabled: systemd learns of the directory for our units at boot only.
# Everything below is the rest of what `deployerctl install` does elsewhere. The daemon's units
# are read from config/systemd, so that there is one text of each; what NixOS has in other places
# is put over it here.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    mkEnableOption
    mkForce
    mkIf
    mkOption
    types
    ;

  cfg = config.services.biz-deployer;

  # /etc/systemd/system is a link into the Nix store here; what changes while the system runs
  # has a directory of its own.
  unitDirectory = "/etc/systemd-mutable/system";

  unit = import ./unit.nix;
  daemon = unit ../systemd/biz-deployer.service;
  boot = unit ../systemd/biz-deployer-boot.service;
  caddy = unit ../systemd/caddy.service;

  configFile = pkgs.writeText "biz-deployer.yaml" (
    builtins.toJSON (
      {
        inherit (cfg) host store trustedPublicKeys;
        inherit unitDirectory;
      }
      // (if cfg.cache == null then { } else { inherit (cfg) cache; })
      // cfg.settings
    )
  );
in
{
  options.services.biz-deployer = {
    enable = mkEnableOption "biz-deployer, which keeps this host as the manifest in the store says";

    package = mkOption {
      type = types.package;
      description = "The package with the programs; the flake's module sets it.";
    };

    host = mkOption {
      type = types.str;
      default = config.networking.hostName;
      description = "The name by which the manifest's hosts lists mean this machine. It is pinned at the first start.";
    };

    store = mkOption {
      type = types.str;
      example = "s3://acme-deploy?endpoint=nyc3.digitaloceanspaces.com&profile=acme";
      description = ''
        Where manifest, cache and reports live. The credentials come from the usual AWS places:
        /root/.aws/credentials with profile=, or the machine's role; they do not belong into
        the Nix store.
      '';
    };

    cache = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "https://cache.example.com";
      description = "Where closures come from, when that is not the store.";
    };

    trustedPublicKeys = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "acme-1:Wl0nDZ0mPCSLcRbC2BIWXkXmlCm5wc3yMYVIJ2vPzRE=" ];
      description = "Closures are accepted only with a signature of one of these keys, name:base64.";
    };

    settings = mkOption {
      type = types.attrsOf types.anything;
      default = { };
      example = {
        fullPass = "30s";
      };
      description = "Any other key of /etc/biz-deployer/config.yaml; config/biz-deployer.yaml explains them.";
    };

    caddy.enable = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Run Caddy for our routes alone: with its admin API on a unix socket that root and Caddy
        may use, and with --resume. Other sites need a Caddy of your own: switch this off, give
        that one an admin socket and --resume, and name the socket in settings.caddy.admin.
      '';
    };

    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = "Open the ports 80 and 443, the latter for HTTP/3 as well.";
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = !(cfg.settings ? unitDirectory);
        message = "services.biz-deployer.settings.unitDirectory cannot be set: on NixOS it is ${unitDirectory}";
      }
      {
        assertion = cfg.caddy.enable -> config.services.caddy.virtualHosts == { };
        message = "services.caddy.virtualHosts would be lost: services.biz-deployer.caddy.enable = false keeps your Caddy";
      }
    ];

    boot.extraSystemdUnitPaths = [ unitDirectory ];

    environment.systemPackages = [ cfg.package ];
    environment.etc."biz-deployer/config.yaml".source = configFile;

    systemd.tmpfiles.rules = [
      "d ${unitDirectory} 0755 root root -"
      "d /var/lib/biz-deployer 0755 root root -"
      "d /var/lib/biz-secrets 0700 root root -"
      "d /nix/var/nix/gcroots/biz 0755 root root -"
    ];

    systemd.services.biz-deployer = {
      inherit (daemon) unitConfig wantedBy;
      serviceConfig = daemon.serviceConfig // {
        ExecStart = "${cfg.package}/bin/biz-deployer --config /etc/biz-deployer/config.yaml";
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        ReadWritePaths = "${unitDirectory} -/nix/var/nix/gcroots";
      };
      # Nix's tools, and journalctl, of the running system.
      environment.PATH = mkForce "/run/current-system/sw/bin";
      restartTriggers = [ configFile ];
      stopIfChanged = false;
    };

    systemd.services.biz-deployer-boot = {
      inherit (boot) wantedBy;
      unitConfig = boot.unitConfig // {
        RequiresMountsFor = "/var/lib/biz-deployer ${unitDirectory}";
      };
      serviceConfig = boot.serviceConfig // {
        ExecStart = "${cfg.package}/bin/biz-deployer boot";
      };
      # For boots only: in a switch it would take the traffic from a standby that serves.
      restartIfChanged = false;
    };

    services.caddy = mkIf cfg.caddy.enable {
      enable = true;
      resume = true;
      # A reload would put the file in force and drop every route.
      enableReload = false;
      adapter = null;
      configFile = ../caddy/caddy.json;
    };

    systemd.services.caddy = mkIf cfg.caddy.enable {
      unitConfig.StartLimitIntervalSec = mkForce caddy.unitConfig.StartLimitIntervalSec;
      serviceConfig = {
        inherit (caddy.serviceConfig) RuntimeDirectory RuntimeDirectoryMode;
        ExecStartPre =
          builtins.replaceStrings [ " caddy validate" ] [ " ${config.services.caddy.package}/bin/caddy validate" ]
            caddy.serviceConfig.ExecStartPre;
        Restart = mkForce caddy.serviceConfig.Restart;
        RestartSec = mkForce caddy.serviceConfig.RestartSec;
        RestartPreventExitStatus = mkForce "";
      };
    };

    networking.firewall = mkIf cfg.openFirewall {
      allowedTCPPorts = [
        80
        443
      ];
      allowedUDPPorts = [ 443 ];
    };
  };
}
