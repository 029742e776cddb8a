// Package reading takes files apart as kubectl does, for programs that are asked by lines of JSON.
package reading

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Documents does what FileVisitor and StreamVisitor of k8s.io/cli-runtime do, and then lets
// encoding/json say what was read, as kubectl sends it on.
func Documents(text []byte) (documents []json.RawMessage, failure error) {
	defer func() {
		if found := recover(); found != nil {
			failure = fmt.Errorf("panic: %v", found)
		}
	}()
	documents = []json.RawMessage{}
	file := transform.NewReader(bytes.NewReader(text), unicode.BOMOverride(unicode.UTF8.NewDecoder()))
	decoder := yaml.NewYAMLOrJSONDecoder(file, 4096)
	for {
		ext := runtime.RawExtension{}
		if err := decoder.Decode(&ext); err != nil {
			if errors.Is(err, io.EOF) {
				return documents, nil
			}
			return documents, err
		}
		ext.Raw = bytes.TrimSpace(ext.Raw)
		if len(ext.Raw) == 0 || bytes.Equal(ext.Raw, []byte("null")) {
			continue
		}
		documents = append(documents, json.RawMessage(bytes.Clone(ext.Raw)))
	}
}
