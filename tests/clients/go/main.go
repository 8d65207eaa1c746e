// Command client plays what Go programs do with a token: through miekg/pkcs11, and through crypto11,
// which makes keys of the token into the standard library's. It prints one line for each check.
//
// Arguments: the module, the token's label, the user's PIN.
package main

import (
	"bytes"
	"fmt"
	"os"
)

var failed bool

// check prints whether a check holds.
func check(sentence string, err error) {
	if err == nil {
		fmt.Println("ok " + sentence)
		return
	}
	failed = true
	fmt.Printf("  %v\nnot ok %s\n", err, sentence)
}

// same is nil when both are the same bytes.
func same(one, other []byte) error {
	if bytes.Equal(one, other) {
		return nil
	}
	return fmt.Errorf("%x is not %x", one, other)
}

// must ends the program where nothing after could be checked.
func must(sentence string, err error) {
	if err != nil {
		check(sentence, err)
		os.Exit(1)
	}
}

func main() {
	module, label, pin := os.Args[1], os.Args[2], os.Args[3]
	playMiekg(module, label, pin)
	playCrypto11(module, label, pin)
	if failed {
		os.Exit(1)
	}
}
