package reading

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// Request is one line of standard input; with Run, what Kubernetes starts is asked for as well.
type Request struct {
	Text []byte `json:"text"`
	Run  bool   `json:"run"`
}

// Serve writes one line of JSON for each request, until the input ends.
func Serve(answer func(Request) any) {
	requests := bufio.NewReader(os.Stdin)
	answers := json.NewEncoder(os.Stdout)
	answers.SetEscapeHTML(false)
	for {
		line, err := requests.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked Request
		if err := json.Unmarshal(line, &asked); err != nil {
			fail(err)
		}
		if err := answers.Encode(answer(asked)); err != nil {
			fail(err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}
