package main

import (
	"bytes"
	"testing"
)

func TestRecall(t *testing.T) {
	var b bytes.Buffer
	if share := recall(&b, 10); share < 0.99 {
		t.Errorf("%.4f of changed messages are near to what they were:\n%s", share, b.Bytes())
	}
}

func TestLookalikes(t *testing.T) {
	var b bytes.Buffer
	if n := lookalikes(&b); n != 0 {
		t.Errorf("%d pairs are taken for copies:\n%s", n, b.Bytes())
	}
	if !bytes.Contains(b.Bytes(), []byte("near 66, taken for copies 0")) {
		t.Errorf("the series do not even look alike:\n%s", b.Bytes())
	}
}
