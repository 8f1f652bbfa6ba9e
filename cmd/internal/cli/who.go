package cli

import (
	"cmp"
	"net/url"
	"os"
	"os/user"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxWho keeps what CI says within what a manifest takes as updatedBy.
const maxWho = 250

// runner is a CI system: the variables that name the person who began the run, and those
// that lead to the run. The first one that is set counts.
type runner struct {
	variable string
	person   []string
	run      []string
	urlOfRun func(getenv func(string) string) string
}

// runners are those with variables of their own. The last one stands for all others that
// set CI: Jenkins has BUILD_URL.
func runners() []runner {
	return []runner{
		{variable: "GITHUB_ACTIONS", person: []string{"GITHUB_ACTOR"}, urlOfRun: gitHubRun},
		{variable: "GITLAB_CI", person: []string{"GITLAB_USER_LOGIN"}, run: []string{"CI_JOB_URL", "CI_PIPELINE_URL"}},
		{variable: "BUILDKITE", person: []string{"BUILDKITE_BUILD_CREATOR", "BUILDKITE_BUILD_AUTHOR"}, run: []string{"BUILDKITE_BUILD_URL"}},
		{variable: "CIRCLECI", person: []string{"CIRCLE_USERNAME"}, run: []string{"CIRCLE_BUILD_URL"}},
		{variable: "CI", person: []string{"CI_COMMIT_AUTHOR", "BUILD_USER_ID"}, run: []string{"BUILD_URL", "CI_PIPELINE_URL", "CI_JOB_URL"}},
	}
}

// Who says who writes, for updatedBy: user@host, and in CI the person who began the run and
// where the run is to be seen, "ann in https://…/runs/17".
func Who() string {
	local := func() string { return localUser() + "@" + localHost() }
	return whoIn(os.Getenv, local)
}

func whoIn(getenv func(string) string, local func() string) string {
	for _, r := range runners() {
		if !set(getenv(r.variable)) {
			continue
		}
		first := func(names []string) string {
			for _, name := range names {
				if v := plain(getenv(name)); v != "" {
					return v
				}
			}
			return ""
		}
		place := cmp.Or(withoutUser(first(r.run)), "CI")
		if r.urlOfRun != nil {
			place = cmp.Or(withoutUser(r.urlOfRun(getenv)), place)
		}
		return shortened(cmp.Or(first(r.person), plain(local())) + " in " + place)
	}
	return shortened(plain(local()))
}

// set: CI=false is how people switch it off.
func set(value string) bool { return value != "" && value != "0" && !strings.EqualFold(value, "false") }

// gitHubRun is the page of a run of GitHub Actions, or of one of its kin.
func gitHubRun(getenv func(string) string) string {
	id, repository := plain(getenv("GITHUB_RUN_ID")), plain(getenv("GITHUB_REPOSITORY"))
	if id == "" {
		return ""
	}
	if repository == "" {
		return "GitHub run " + id
	}
	return cmp.Or(plain(getenv("GITHUB_SERVER_URL")), "https://github.com") + "/" + repository + "/actions/runs/" + id
}

// withoutUser takes user and password out of a URL: a manifest is no place for them.
func withoutUser(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return ""
	case u.User == nil:
		return text
	}
	u.User = nil
	return u.String()
}

// plain leaves out what a manifest refuses in a text that people read.
func plain(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, text))
}

// shortened cuts between runes.
func shortened(text string) string {
	if len(text) <= maxWho {
		return text
	}
	cut := maxWho
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

func localUser() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if s := os.Getenv("SUDO_USER"); s != "" && name == "root" {
		name = s
	}
	return name
}

func localHost() string {
	host, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return host
}
