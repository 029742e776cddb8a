// The oracle answers how Kubernetes itself reads manifests: it is linked from the code of kubectl's
// decoder, of the API server's decoding and validation, and of the kubelet's environments and volumes.
//
// It reads one JSON request a line, {"text": BASE64 of a file}, and writes one JSON answer a line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"deployguard.test/oracle/reading"
)

type request struct {
	Text []byte `json:"text"`
	Run  bool   `json:"run"`
}

type answer struct {
	Error     string                          `json:"error,omitempty"`
	Documents []json.RawMessage               `json:"documents"`
	Refused   []string                        `json:"refused,omitempty"`
	Pods      map[string]map[string]container `json:"pods,omitempty"`
	Volumes   map[string]map[string]volumes   `json:"volumes,omitempty"`
}

func main() {
	requests := bufio.NewReader(os.Stdin)
	answers := json.NewEncoder(os.Stdout)
	answers.SetEscapeHTML(false)
	for {
		line, err := requests.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked request
		if err := json.Unmarshal(line, &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		if err := answers.Encode(answered(asked)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
}

func answered(asked request) answer {
	var found answer
	documents, err := reading.Documents(asked.Text)
	found.Documents = documents
	if err != nil {
		found.Error = err.Error()
		return found
	}
	if asked.Run {
		objects := accept(documents, &found)
		run(objects, &found)
	}
	return found
}
