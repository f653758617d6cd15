package frame

//go:generate go run ../internal/asm
