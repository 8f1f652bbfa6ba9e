# A stand-in for the part of nixpkgs' lib that config/nixos/module.nix uses: it has the same
# names and meanings, and `evaluate` in place of evalModules. No nixpkgs is needed for it.
let
  type = name: check: { inherit name check; };
  isPackage = v: builtins.isString v || (builtins.isAttrs v && v ? outPath);
in
rec {
  mkOption = o: o // { _type = "option"; };
  mkEnableOption =
    what:
    mkOption {
      type = types.bool;
      default = false;
      description = "Whether to enable ${what}.";
    };
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkForce = content: {
    _type = "override";
    inherit content;
  };
  mkDefault = mkForce;

  types = {
    bool = type "boolean" builtins.isBool;
    str = type "string" builtins.isString;
    anything = type "anything" (_: true);
    attrsOf = t: type "attribute set of ${t.name}" (v: builtins.isAttrs v && builtins.all t.check (builtins.attrValues v));
    package = type "package" isPackage;
    nullOr = t: type "null or ${t.name}" (v: v == null || t.check v);
    listOf = t: type "list of ${t.name}" (v: builtins.isList v && builtins.all t.check v);
  };

  # Gives the options of a module below a prefix, by their names with dots, and its config with
  # every mkIf decided and every mkForce taken for its content.
  evaluate =
    {
      module,
      prefix,
      given,
      others,
      pkgs,
    }:
    let
      self = module {
        inherit pkgs;
        lib = {
          inherit
            mkOption
            mkEnableOption
            mkIf
            mkForce
            mkDefault
            types
            ;
        };
        config = others // {
          services = (others.services or { }) // {
            ${prefix} = value [ prefix ] self.options.services.${prefix} given;
          };
        };
      };
      name = builtins.concatStringsSep ".";
      value =
        path: option: given:
        if (option._type or "") != "option" then
          let
            unknown = builtins.filter (k: !(option ? ${k})) (builtins.attrNames given);
          in
          if unknown != [ ] then
            throw "The option `${name (path ++ unknown)}' does not exist"
          else
            builtins.mapAttrs (k: o: value (path ++ [ k ]) o (given.${k} or (if (o._type or "") == "option" then null else { }))) (
              builtins.mapAttrs (k: o: if (o._type or "") == "option" then o // { isGiven = given ? ${k}; } else o) option
            )
        else if !option.isGiven then
          option.default or (throw "The option `${name path}' is used but not defined")
        else if option.type.check given then
          given
        else
          throw "The option `${name path}' is not a ${option.type.name}";
      flat =
        path: o:
        if (o._type or "") == "option" then
          [
            {
              name = name path;
              value = {
                type = o.type.name;
                inherit (o) description;
              };
            }
          ]
        else
          builtins.concatMap (k: flat (path ++ [ k ]) o.${k}) (builtins.attrNames o);
      settle =
        v:
        if builtins.isList v then
          map settle v
        else if !(builtins.isAttrs v) || v ? outPath then
          v
        else if v ? _type then
          settle v.content
        else
          builtins.mapAttrs (_: settle) (removeAttrs v (builtins.filter (k: isOff v.${k}) (builtins.attrNames v)));
      isOff = v: builtins.isAttrs v && (v._type or "") == "if" && !v.condition;
    in
    {
      options = builtins.listToAttrs (flat [ prefix ] self.options.services.${prefix});
      config = if isOff self.config then { } else settle self.config;
    };
}
