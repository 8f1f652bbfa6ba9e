package env

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// LabOptions say how a lab differs from the usual one of a suite.
type LabOptions struct {
	// Name, of at most 12 letters and digits, is made up when empty. A detached lab that exists
	// under this name is used as it is.
	Name string
	// Detached labs stay when the process that made them ends, until Close or `down --all`.
	Detached bool
}

// Lab is one network of hosts with an S3 server.
type Lab struct {
	Name string
	// S3 is the lab's object store; it runs from the start.
	S3 *S3

	net    network
	cgroup cgroup

	mu     sync.Mutex // guards what follows
	record labRecord
	hosts  map[string]*Host
}

// No dash: a lab's namespaces are found by the prefix dpl-<lab>-.
var labName = regexp.MustCompile(`^[a-z0-9]{1,12}$`)

// NewLab makes a lab, or attaches to the detached one of that name, after taking down the labs
// whose owners are dead. Close it.
func NewLab(ctx context.Context, opts LabOptions) (*Lab, error) {
	if opts.Name == "" {
		opts.Name = "t" + strings.ToLower(rand.Text()[:8])
	}
	if !labName.MatchString(opts.Name) {
		return nil, fmt.Errorf("naming a lab: %q is not 1 to 12 lower-case letters and digits", opts.Name)
	}
	if err := Ready(); err != nil {
		return nil, fmt.Errorf("making a lab: %w", err)
	}
	unlock, err := lockState()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := reap(ctx); err != nil {
		return nil, err
	}
	lab, err := attach(opts.Name)
	switch {
	case err == nil && (lab.record.Owner != nil || !opts.Detached):
		return nil, fmt.Errorf("making a lab: %q exists and belongs to another process", opts.Name)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return nil, err
	case err != nil:
		lab, err = create(opts)
		if err != nil {
			return nil, err
		}
	}
	if err := lab.start(ctx); err != nil {
		if opts.Detached {
			return nil, err
		}
		return nil, errors.Join(err, lab.destroy(ctx))
	}
	return lab, nil
}

// OpenLab attaches to a lab that exists; the error is os.ErrNotExist when there is none.
func OpenLab(name string) (*Lab, error) {
	unlock, err := lockState()
	if err != nil {
		return nil, err
	}
	defer unlock()
	return attach(name)
}

func newLab(record labRecord) (*Lab, error) {
	root, err := cgroupRoot()
	if err != nil {
		return nil, err
	}
	lab := &Lab{
		Name:   record.Name,
		record: record,
		net:    network{lab: record.Name, index: record.Network},
		cgroup: root.child(record.Name),
		hosts:  map[string]*Host{},
	}
	lab.S3 = newS3(lab)
	return lab, nil
}

func attach(name string) (*Lab, error) {
	var record labRecord
	if err := readRecord(filepath.Join(stateRoot, name, "lab.json"), &record); err != nil {
		return nil, err
	}
	lab, err := newLab(record)
	if err != nil {
		return nil, err
	}
	records, err := lab.hostRecords()
	if err != nil {
		return nil, err
	}
	for _, record := range records {
		lab.hosts[record.Name] = newHost(lab, record)
	}
	return lab, nil
}

func create(opts LabOptions) (*Lab, error) {
	index, err := freeNetwork()
	if err != nil {
		return nil, err
	}
	record := labRecord{Name: opts.Name, Boot: bootID(), Network: index, Secrets: map[string]string{}}
	if !opts.Detached {
		record.Owner = currentProcess()
	}
	for _, user := range []string{rootUser, Writer} {
		record.Secrets[user] = rand.Text()
	}
	lab, err := newLab(record)
	if err != nil {
		return nil, err
	}
	return lab, lab.save()
}

// freeNetwork picks a subnet that no lab has; the state lock is held.
func freeNetwork() (int, error) {
	names, err := labNames()
	if err != nil {
		return 0, err
	}
	taken := map[int]bool{}
	for _, name := range names {
		var record labRecord
		if readRecord(filepath.Join(stateRoot, name, "lab.json"), &record) == nil {
			taken[record.Network] = true
		}
	}
	for index := range 256 {
		if !taken[index] && !exists("/sys/class/net/"+network{index: index}.bridge()) {
			return index, nil
		}
	}
	return 0, errors.New("making a lab: all 256 networks are taken: hack/testhost down --all removes what is left over")
}

func (l *Lab) start(ctx context.Context) error {
	if err := l.cgroup.create(); err != nil {
		return err
	}
	if err := l.net.up(ctx); err != nil {
		return err
	}
	return l.S3.Start(ctx)
}

func (l *Lab) stateDir() string { return filepath.Join(stateRoot, l.Name) }
func (l *Lab) diskDir() string  { return filepath.Join(diskRoot, l.Name) }

func (l *Lab) save() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return writeRecord(filepath.Join(l.stateDir(), "lab.json"), l.record)
}

// OuterAddr is the outer machine's address in the lab: where a test's own server listens when a
// host is to reach it.
func (l *Lab) OuterAddr() string { return l.net.addr(outerNumber) }

// Close takes the lab down: processes, mounts, network, disks. Safe to call again.
func (l *Lab) Close() error {
	unlock, err := lockState()
	if err != nil {
		return err
	}
	defer unlock()
	return l.destroy(context.Background())
}
