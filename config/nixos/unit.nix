# Reads a systemd unit as it is written in config/systemd into what NixOS wants of one: each
# directive with its text, those that stand there several times with the list of their texts,
# and [Install] as wantedBy.
file:

let
  lines = builtins.filter builtins.isString (builtins.split "\n" (builtins.readFile file));

  # One step of the fold: where we are, and what was read so far.
  read =
    state: line:
    let
      section = builtins.match "\\[([A-Za-z]+)]" line;
      directive = builtins.match "([A-Za-z]+)=(.*)" line;
    in
    if line == "" || builtins.substring 0 1 line == "#" then
      state
    else if section != null then
      state // { section = builtins.head section; }
    else if directive != null then
      state
      // {
        sections = state.sections // {
          ${state.section} = add (state.sections.${state.section} or { }) (builtins.elemAt directive 0) (builtins.elemAt directive 1);
        };
      }
    else
      throw "${toString file}: cannot read the line: ${line}";

  add =
    section: key: value:
    section
    // {
      ${key} =
        if !(section ? ${key}) then
          value
        else if builtins.isList section.${key} then
          section.${key} ++ [ value ]
        else
          [
            section.${key}
            value
          ];
    };

  sections =
    (builtins.foldl' read {
      section = "";
      sections = { };
    } lines).sections;
in
{
  unitConfig = sections.Unit;
  serviceConfig = sections.Service;
  wantedBy = builtins.filter (w: builtins.isString w && w != "") (builtins.split " " (sections.Install.WantedBy or ""));
}
