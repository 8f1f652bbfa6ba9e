package v1

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Bounds of a document, so that a hostile one costs little and is refused before use.
const (
	// MaxDocument is the size of a document in bytes.
	MaxDocument = 1 << 20
	// maxDepth is the nesting of objects and lists.
	maxDepth = 32
	// maxNodes is the number of values, more than any document of that size should have.
	maxNodes = 200_000
	// maxItems is the number of elements of one list or of env, the services among them.
	maxItems = 4096
	// maxText is the size of one text in bytes.
	maxText = 64 << 10
)

type nodeKind string

// The kinds of node, as errors name them.
const (
	nodeNull   nodeKind = "null"
	nodeBool   nodeKind = "a boolean"
	nodeNumber nodeKind = "a number"
	nodeString nodeKind = "a string"
	nodeList   nodeKind = "a list"
	nodeObject nodeKind = "an object"
)

// node is a value of a JSON or YAML document before anything is known of its meaning.
type node struct {
	kind nodeKind
	// text of a scalar: of a number as it was written.
	text string
	// plain: an unquoted YAML scalar. It may stand for a string: what was written is.
	plain bool
	items []node
	// members in document order, duplicates included.
	members []member
}

type member struct {
	key   string
	value node
}

// get returns the first member of that name, or nil.
func (n *node) get(key string) *node {
	for i := range n.members {
		if n.members[i].key == key {
			return &n.members[i].value
		}
	}
	return nil
}

// parse reads a document: what starts with a brace is JSON, the rest is YAML.
func parse(data []byte) (*node, error) {
	if len(data) > MaxDocument {
		return nil, fmt.Errorf("the document has %d bytes; at most %d are read", len(data), MaxDocument)
	}
	if !utf8.Valid(data) {
		return nil, errors.New("the document is not UTF-8 text")
	}
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	if len(trimmed) == 0 {
		return nil, errors.New("the document is empty")
	}
	if trimmed[0] == '{' {
		return parseJSON(data)
	}
	return parseYAML(data)
}

func parseJSON(data []byte) (*node, error) {
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return nil, jsonError(data, err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	r := jsonReader{Decoder: d}
	n, err := r.value(0)
	if err != nil {
		return nil, fmt.Errorf("reading JSON: %w", err)
	}
	return &n, nil
}

// jsonError says where the text stops being JSON.
func jsonError(data []byte, err error) error {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return fmt.Errorf("reading JSON: %w", err)
	}
	before := data[:min(int(syntax.Offset), len(data))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n') - 1
	return fmt.Errorf("reading JSON: line %d, column %d: %w", line, column, err)
}

var errTooDeep = fmt.Errorf("objects and lists are nested deeper than %d", maxDepth)

var errTooMany = fmt.Errorf("the document has more than %d values", maxNodes)

// jsonReader builds nodes. The text is known to be well-formed JSON.
type jsonReader struct {
	*json.Decoder
	count int
}

func (d *jsonReader) value(depth int) (node, error) {
	token, err := d.Token()
	if err != nil {
		return node{}, err
	}
	if d.count++; d.count > maxNodes {
		return node{}, errTooMany
	}
	switch t := token.(type) {
	case bool:
		return node{kind: nodeBool, text: strconv.FormatBool(t)}, nil
	case json.Number:
		return node{kind: nodeNumber, text: t.String()}, nil
	case string:
		return node{kind: nodeString, text: t}, nil
	case json.Delim:
		if depth >= maxDepth {
			return node{}, errTooDeep
		}
		if t == '[' {
			return d.list(depth + 1)
		}
		return d.object(depth + 1)
	}
	return node{kind: nodeNull}, nil
}

func (d *jsonReader) list(depth int) (node, error) {
	out := node{kind: nodeList}
	for d.More() {
		item, err := d.value(depth)
		if err != nil {
			return node{}, err
		}
		out.items = append(out.items, item)
	}
	_, err := d.Token()
	return out, err
}

func (d *jsonReader) object(depth int) (node, error) {
	out := node{kind: nodeObject}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return node{}, err
		}
		value, err := d.value(depth)
		if err != nil {
			return node{}, err
		}
		out.members = append(out.members, member{key: key.(string), value: value})
	}
	_, err := d.Token()
	return out, err
}
