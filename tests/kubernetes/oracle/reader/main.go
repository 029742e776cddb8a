// The reader answers how kubectl reads files: one JSON request {"text": BASE64} a line, one answer.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"deployguard.test/oracle/reading"
)

type answer struct {
	Error     string            `json:"error,omitempty"`
	Documents []json.RawMessage `json:"documents"`
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
		var asked struct {
			Text []byte `json:"text"`
		}
		if err := json.Unmarshal(line, &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		var found answer
		found.Documents, err = reading.Documents(asked.Text)
		if err != nil {
			found.Error = err.Error()
		}
		if err := answers.Encode(found); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
}
