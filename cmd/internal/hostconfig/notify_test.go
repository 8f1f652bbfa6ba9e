package hostconfig_test

import (
	"strings"
	"testing"

	"deployer/cmd/internal/hostconfig"
)

// TestNotifyReportAndVerify reads what people may write there, and refuses the rest by its name.
func TestNotifyReportAndVerify(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "",
		"report: false":                          "",
		"report: sometimes":                      "report",
		"notify: {command: [/bin/tell, ops]}":    "",
		"notify: {command: [tell]}":              `notify.command: "tell" is no absolute path`,
		"notify: {webhook: 'https://x/T/abc'}":   "",
		"notify: {webhook: 'example.com/T/abc'}": "notify.webhook",
		"verify: {every: 12h}":                   "",
		"verify: {every: off}":                   "",
		"verify: {every: 0}":                     "",
		"verify: {every: 0s}":                    "",
		"verify: {every: 1s}":                    "verify.every",
		"verify: {every: often}":                 "often",
		"notify: {mail: ann@example.com}":        "mail",
	} {
		_, err := hostconfig.Parse([]byte("host: biz\n" + text))
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %v, want it to name %s", text, err, want)
		case err != nil && strings.Contains(err.Error(), "abc"):
			t.Errorf("%q: the error tells the token: %v", text, err)
		}
	}
}

// TestReportIsOn: a host that says nothing of it reports.
func TestReportIsOn(t *testing.T) {
	c, err := hostconfig.Parse([]byte("host: biz"))
	if err != nil || !c.Report {
		t.Errorf("report is %v, %v; want true", c.Report, err)
	}
}
