//go:build !unix

package listen

func ownerOnly() (restore func())    { return func() {} }
func lockDir(string) (unlock func()) { return func() {} }
