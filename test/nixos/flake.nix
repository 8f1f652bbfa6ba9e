# Evaluates the repository's flake.nix with a nixpkgs of names only.
let
  pkgs = {
    stdenv.hostPlatform.system = "x86_64-linux";
    buildGoModule = args: args // { outPath = "/nix/store/00000000000000000000000000000000-${args.pname}"; };
    mkShell = args: args;
    go = "go";
    gnumake = "gnumake";
    git = "git";
  };
  self = outputs // {
    outPath = ../..;
    shortRev = "0123abc";
  };
  outputs = (import ../../flake.nix).outputs {
    inherit self;
    nixpkgs.legacyPackages = {
      x86_64-linux = pkgs;
      aarch64-linux = pkgs;
    };
  };
  module = outputs.nixosModules.default {
    inherit pkgs;
    lib.mkDefault = v: v;
  };
  package = outputs.packages.x86_64-linux.default;
in
{
  systems = builtins.attrNames outputs.packages;
  shells = builtins.mapAttrs (_: s: s.default.packages) outputs.devShells;
  package = removeAttrs package [
    "src"
    "outPath"
  ];
  imports = map (m: builtins.pathExists m) module.imports;
  modulePackage = module.services.biz-deployer.package.outPath;
}
