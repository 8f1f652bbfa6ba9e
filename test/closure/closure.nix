# A closure without nixpkgs: the builder is the machine's own /bin/sh (sandbox off), and
# every path is the output of a derivation, so input-addressed and in need of a signature.
#
#   <name>-<release>           bin/<name>, share/program
#   <name>-<release>-config    release= and the settings
#   <name>-greeting            shared by all releases
#   <name>-<release>-blob-<n>  as many as asked for, of random bytes
{
  name,
  release,
  program, # the static binary
  settings ? "", # key=value lines for the program
  blobs ? "0",
  blobSize ? "0", # bytes
}:
let
  build =
    drvName: script: env:
    derivation (
      {
        name = drvName;
        system = builtins.currentSystem;
        builder = "/bin/sh";
        args = [
          "-euc"
          ("export PATH=/usr/local/bin:/usr/bin:/bin; " + script)
        ];
        preferLocalBuild = true;
      }
      // env
    );
  greeting = build "${name}-greeting" "echo \"hello from ${name}\" >$out" { };
  config = build "${name}-${release}-config" "printf 'release=%s\\n%s' \"$release\" \"$settings\" >$out" {
    inherit release settings;
  };
  blob =
    n: build "${name}-${release}-blob-${toString n}" "head -c \"$size\" /dev/urandom >$out" { size = blobSize; };
  count = builtins.fromJSON blobs;
in
build "${name}-${release}"
  ''
    mkdir -p $out/bin $out/share
    cp $program $out/bin/${name}
    chmod 0555 $out/bin/${name}
    echo "config=$config" >$out/share/program
    echo "greeting=$greeting" >>$out/share/program
    echo "$blobs" >$out/share/blobs
  ''
  {
    program = builtins.path {
      path = program;
      name = "program";
    };
    inherit config greeting;
    blobs = builtins.genList blob count;
  }
