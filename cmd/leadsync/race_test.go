//go:build race

package main

// raceDetector says that the race detector is in this program.
const raceDetector = true
