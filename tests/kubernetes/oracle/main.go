// The oracle answers how Kubernetes itself reads, accepts and starts what manifests declare: it is
// linked from the code of kubectl's decoder, of the API server's decoding and validation, and of the
// kubelet's environments and volumes.
package main

import (
	"encoding/json"

	"deployguard.test/oracle/reading"
)

type answer struct {
	Error     string                          `json:"error,omitempty"`
	Documents []json.RawMessage               `json:"documents"`
	Refused   []string                        `json:"refused,omitempty"`
	Pods      map[string]map[string]container `json:"pods,omitempty"`
	Volumes   map[string]map[string]volumes   `json:"volumes,omitempty"`
}

func main() {
	reading.Serve(func(asked reading.Request) any { return answered(asked) })
}

func answered(asked reading.Request) answer {
	documents, err := reading.Documents(asked.Text)
	found := answer{Documents: documents}
	if err != nil {
		found.Error = err.Error()
		return found
	}
	if asked.Run {
		run(accept(documents, &found), &found)
	}
	return found
}
