// Package importtest holds the rules of who may import what, and the test that
// enforces them. It is a test of the whole tree, which is why it is in no
// package of it.
//
// The rules keep the layers apart: transform is pure, a sink knows nothing of
// messages, the pipeline knows no vendor, settings are handed over as values.
// Each third-party library has one home below cmd, so that replacing it, or
// learning what it does to us, means reading one package.
package importtest
