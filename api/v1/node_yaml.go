package v1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	// The node interface of the same module that rejects nothing behind our back: it
	// shows duplicates, aliases and the literal text of scalars, which sigs.k8s.io/yaml's
	// own Unmarshal hides. It is an alias of go.yaml.in/yaml/v3 and marked deprecated in
	// favour of it; the import rule of api wants this module.
	yaml "sigs.k8s.io/yaml/goyaml.v3"
)

// parseYAML reads one YAML document. Anchors, aliases, merge keys and tags are refused:
// the store holds JSON, and a few bytes of aliases can stand for gigabytes.
func parseYAML(data []byte) (*node, error) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	switch err := d.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("the document is empty")
	case err != nil:
		return nil, yamlError(err)
	}
	switch err := d.Decode(&second); {
	case err == nil:
		return nil, fmt.Errorf("reading YAML: line %d: a second document; write one", second.Line)
	case !errors.Is(err, io.EOF):
		return nil, yamlError(err)
	}
	n, err := yamlNode(&document, 0)
	if err != nil {
		return nil, fmt.Errorf("reading YAML: %w", err)
	}
	return &n, nil
}

func yamlError(err error) error {
	return fmt.Errorf("reading YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
}

func yamlNode(y *yaml.Node, depth int) (node, error) {
	if err := yamlPlainFeatures(y); err != nil {
		return node{}, err
	}
	switch y.Kind {
	case yaml.ScalarNode:
		return yamlScalar(y), nil
	case yaml.DocumentNode:
		return yamlNode(y.Content[0], depth)
	}
	if depth >= maxDepth {
		return node{}, errTooDeep
	}
	if y.Kind == yaml.MappingNode {
		return yamlObject(y, depth+1)
	}
	out := node{kind: nodeList}
	for _, c := range y.Content {
		item, err := yamlNode(c, depth+1)
		if err != nil {
			return node{}, err
		}
		out.items = append(out.items, item)
	}
	return out, nil
}

func yamlPlainFeatures(y *yaml.Node) error {
	switch {
	case y.Kind == yaml.AliasNode || y.Anchor != "":
		return fmt.Errorf("line %d: anchors (&) and aliases (*) are not read; write the value out", y.Line)
	case y.Style&yaml.TaggedStyle != 0 && y.Tag != "!!str":
		return fmt.Errorf("line %d: the tag %s is not read; leave it out", y.Line, quote(y.Tag))
	}
	return nil
}

func yamlObject(y *yaml.Node, depth int) (node, error) {
	out := node{kind: nodeObject}
	for i := 0; i+1 < len(y.Content); i += 2 {
		key := y.Content[i]
		if err := yamlPlainFeatures(key); err != nil {
			return node{}, err
		}
		if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge" || key.ShortTag() == "!!null" {
			return node{}, fmt.Errorf("line %d: a key is not a name", key.Line)
		}
		value, err := yamlNode(y.Content[i+1], depth)
		if err != nil {
			return node{}, err
		}
		out.members = append(out.members, member{key: key.Value, value: value})
	}
	return out, nil
}

// yamlScalar keeps what was written. Only true and false are booleans, so "restart: no"
// is a word, as in YAML 1.2.
func yamlScalar(y *yaml.Node) node {
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle | yaml.TaggedStyle
	if y.Style&quoted != 0 {
		return node{kind: nodeString, text: y.Value}
	}
	n := node{kind: nodeString, text: y.Value, plain: true}
	switch y.ShortTag() {
	case "!!null":
		n.kind = nodeNull
	case "!!bool":
		n.kind = nodeBool
	case "!!int", "!!float":
		n.kind = nodeNumber
	}
	return n
}
