// The reader answers how kubectl reads files.
package main

import (
	"encoding/json"

	"deployguard.test/oracle/reading"
)

type answer struct {
	Error     string            `json:"error,omitempty"`
	Documents []json.RawMessage `json:"documents"`
}

func main() {
	reading.Serve(func(asked reading.Request) any {
		documents, err := reading.Documents(asked.Text)
		if err != nil {
			return answer{Error: err.Error(), Documents: documents}
		}
		return answer{Documents: documents}
	})
}
