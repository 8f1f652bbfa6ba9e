package objectstore_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/objectstore"
)

var _ = Describe("A directory as a store, looked at from outside", func() {
	var (
		dir   string
		store providers.Objects
	)
	BeforeEach(func() {
		dir = filepath.Join(GinkgoT().TempDir(), "store")
		store = openDirectory(dir, objectstore.Options{Create: true})
	})

	It("takes a missing directory for an unmounted disk, never for an empty store", func(ctx SpecContext) {
		Expect(os.Remove(dir)).To(Succeed())
		_, err := fetch(ctx, store, providers.GetOptions{})
		Expect(expectUnclear(err, objectstore.NoSuchBucket).Error()).To(ContainSubstring(dir))
		_, err = store.List(ctx, "")
		expectUnclear(err, objectstore.NoSuchBucket)
		_, err = store.Put(ctx, key, strings.NewReader("x"), providers.PutOptions{IfAbsent: true})
		expectUnclear(err, objectstore.NoSuchBucket)
		expectUnclear(store.Delete(ctx, key), objectstore.NoSuchBucket)
		Expect(os.Mkdir(dir, 0o700)).To(Succeed())
		put(ctx, store, key, "back")
	})

	It("keeps objects as private files, and leaves nothing unfinished", func(ctx SpecContext) {
		put(ctx, store, "a/b.json", "x")
		stat, err := os.Stat(filepath.Join(dir, "a/b.json"))
		Expect(err).NotTo(HaveOccurred())
		Expect(stat.Mode().Perm()).To(Equal(os.FileMode(0o600)))
		Expect(os.ReadDir(filepath.Join(dir, ".objectstore/tmp"))).To(BeEmpty())
		Expect(store.Delete(ctx, "a/b.json")).To(Succeed())
		Expect(filepath.Join(dir, "a")).NotTo(BeADirectory())
	})

	It("never lists or opens what it keeps for itself", func(ctx SpecContext) {
		put(ctx, store, "k", "x")
		Expect(os.WriteFile(filepath.Join(dir, ".objectstore/tmp/left"), nil, 0o600)).To(Succeed())
		list, err := store.List(ctx, "")
		Expect(err).NotTo(HaveOccurred())
		Expect(list).To(HaveLen(1))
		_, err = store.Stat(ctx, ".objectstore/lock")
		Expect(err).To(MatchError(objectstore.ErrInvalidKey))
	})

	It("clears away what a killed writer left a day ago", func(ctx SpecContext) {
		put(ctx, store, "k", "x")
		old, fresh := filepath.Join(dir, ".objectstore/tmp/old"), filepath.Join(dir, ".objectstore/tmp/fresh")
		for _, f := range []string{old, fresh} {
			Expect(os.WriteFile(f, nil, 0o600)).To(Succeed())
		}
		before := time.Now().Add(-25 * time.Hour)
		Expect(os.Chtimes(old, before, before)).To(Succeed())
		put(ctx, store, "k", "y")
		Expect(old).NotTo(BeAnExistingFile())
		Expect(fresh).To(BeAnExistingFile())
	})

	It("survives F12: symbolic links lead nowhere outside", func(ctx SpecContext) {
		outside := GinkgoT().TempDir()
		Expect(os.WriteFile(filepath.Join(outside, "secret"), []byte("s3cr3t"), 0o600)).To(Succeed())
		Expect(os.Symlink(outside, filepath.Join(dir, "out"))).To(Succeed())
		Expect(os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, key))).To(Succeed())
		_, err := fetch(ctx, store, providers.GetOptions{})
		expectUnclear(err, objectstore.AccessDenied)
		_, err = store.Get(ctx, "out/secret", providers.GetOptions{})
		expectUnclear(err, objectstore.AccessDenied)
		_, err = store.Put(ctx, "out/new", strings.NewReader("x"), providers.PutOptions{})
		expectUnclear(err, objectstore.AccessDenied)
		Expect(store.Delete(ctx, "out/secret")).NotTo(Succeed())
		Expect(filepath.Join(outside, "secret")).To(BeARegularFile())
		list, err := store.List(ctx, "")
		Expect(err).NotTo(HaveOccurred())
		Expect(list).To(BeEmpty())
		list, err = store.List(ctx, "out/")
		Expect(err == nil && len(list) == 0 || err != nil).To(BeTrue())
		put(ctx, store, key, "mine")
		Expect(os.ReadFile(filepath.Join(outside, "secret"))).To(BeEquivalentTo("s3cr3t"))
	})

	It("does not wait for somebody's pipe", func(ctx SpecContext) {
		Expect(syscall.Mkfifo(filepath.Join(dir, key), 0o600)).To(Succeed())
		_, err := fetch(ctx, store, providers.GetOptions{})
		Expect(err).To(MatchError(providers.ErrNotFound))
		Expect(store.List(ctx, "")).To(BeEmpty())
	})

	It("says that a key clashes with a directory", func(ctx SpecContext) {
		put(ctx, store, "a/b", "x")
		_, err := store.Put(ctx, "a", strings.NewReader("x"), providers.PutOptions{IfAbsent: true})
		expectUnclear(err, objectstore.KeyClash)
		_, err = store.Put(ctx, "a/b/c", strings.NewReader("x"), providers.PutOptions{})
		expectUnclear(err, objectstore.KeyClash)
	})

	It("survives F7: an edit by hand changes the ETag, small object or big", func(ctx SpecContext) {
		for _, size := range []int{10, 3 << 20} {
			info := put(ctx, store, key, strings.Repeat("a", size))
			f, err := os.OpenFile(filepath.Join(dir, key), os.O_WRONLY, 0)
			Expect(err).NotTo(HaveOccurred())
			time.Sleep(20 * time.Millisecond) // coarser than any kernel's clock of files
			_, err = f.WriteString("b")
			Expect(err).NotTo(HaveOccurred())
			Expect(f.Close()).To(Succeed())
			obj, err := store.Get(ctx, key, providers.GetOptions{IfNoneMatch: info.ETag})
			Expect(err).NotTo(HaveOccurred())
			Expect(obj.ETag).NotTo(Equal(info.ETag))
			Expect(obj.Body.Close()).To(Succeed())
		}
	})

	It("tells a body that became shorter while it was read", func(ctx SpecContext) {
		put(ctx, store, key, strings.Repeat("a", 3<<20))
		obj, err := store.Get(ctx, key, providers.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(os.Truncate(filepath.Join(dir, key), 100)).To(Succeed())
		n, err := obj.Body.Read(make([]byte, 50))
		Expect(n, err).To(Equal(50))
		_, err = obj.Body.Read(make([]byte, 1<<20))
		for err == nil {
			_, err = obj.Body.Read(make([]byte, 1<<20))
		}
		expectUnclear(err, objectstore.BadAnswer)
		Expect(obj.Body.Close()).To(Succeed())
	})

	It("waits for another process's lock only so long", func(ctx SpecContext) {
		put(ctx, store, key, "x")
		lock, err := os.OpenFile(filepath.Join(dir, ".objectstore/lock"), os.O_RDWR, 0)
		Expect(err).NotTo(HaveOccurred())
		Expect(syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)).To(Succeed())
		impatient := openDirectory(dir, objectstore.Options{HeaderTimeout: 100 * time.Millisecond})
		_, err = impatient.Put(ctx, key, strings.NewReader("y"), providers.PutOptions{})
		expectUnclear(err, objectstore.Slow)
		Expect(fetch(ctx, impatient, providers.GetOptions{})).To(Equal("x"), "reading needs no lock")
		Expect(lock.Close()).To(Succeed())
		put(ctx, impatient, key, "y")
	})

	It("survives F8: processes, killed at random, lose no update that they reported", func(ctx SpecContext) {
		const processes = 4
		put(ctx, store, key, "0")
		outputs := make([]*strings.Builder, processes)
		cmds := make([]*exec.Cmd, processes)
		for i := range cmds {
			outputs[i] = &strings.Builder{}
			cmds[i] = exec.Command(os.Args[0], "-test.run=^TestIncrementer$")
			cmds[i].Env = append(os.Environ(), "OBJECTSTORE_INCREMENT="+dir)
			cmds[i].Stdout, cmds[i].Stderr = outputs[i], GinkgoWriter
			Expect(cmds[i].Start()).To(Succeed())
		}
		for i, cmd := range cmds {
			time.Sleep(time.Duration(300+70*i) * time.Millisecond)
			Expect(cmd.Process.Kill()).To(Succeed())
			_ = cmd.Wait()
		}
		reported := 0
		for _, o := range outputs {
			reported += strings.Count(o.String(), "done\n")
		}
		got, err := fetch(ctx, store, providers.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		counted, err := strconv.Atoi(got)
		Expect(err).NotTo(HaveOccurred(), "a half-written object")
		Expect(reported).To(BeNumerically(">", processes))
		// A process may die between its write and its report.
		Expect(counted).To(And(BeNumerically(">=", reported), BeNumerically("<=", reported+processes)))
	})
})

var _ = Describe("A directory that this user may not use", func() {
	It("names the way out", func(ctx SpecContext) {
		if os.Getuid() == 0 {
			// Root may do everything, except write below /proc.
			s := openDirectory("/proc/self", objectstore.Options{})
			_, err := s.Put(ctx, key, strings.NewReader("x"), providers.PutOptions{})
			Expect(err).To(MatchError(providers.ErrUnavailable))
			return
		}
		dir := GinkgoT().TempDir()
		Expect(os.Chmod(dir, 0)).To(Succeed())
		_, err := openDirectory(dir, objectstore.Options{}).List(ctx, "")
		expectUnclear(err, objectstore.AccessDenied)
	})
	It("refuses a file in its place", func(ctx SpecContext) {
		file := filepath.Join(GinkgoT().TempDir(), "file")
		Expect(os.WriteFile(file, nil, 0o600)).To(Succeed())
		_, err := fetch(ctx, openDirectory(file, objectstore.Options{}), providers.GetOptions{})
		Expect(err).To(MatchError(providers.ErrUnavailable))
		Expect(err).NotTo(MatchError(providers.ErrNotFound))
		_, err = objectstore.Open(ctx, "file://"+file, objectstore.Options{Create: true})
		Expect(err).To(HaveOccurred())
	})
})

func openDirectory(dir string, o objectstore.Options) providers.Objects {
	GinkgoHelper()
	s, err := objectstore.Open(context.Background(), "file://"+dir, o)
	Expect(err).NotTo(HaveOccurred())
	return s
}

func put(ctx context.Context, s providers.Objects, key, content string) providers.ObjectInfo {
	GinkgoHelper()
	info, err := s.Put(ctx, key, strings.NewReader(content), providers.PutOptions{})
	Expect(err).NotTo(HaveOccurred())
	return info
}
