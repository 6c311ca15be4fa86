package config

// Names returns the names of the files, that of the configuration first.
func (f *Files) Names() []string {
	var names []string
	for _, in := range f.all {
		names = append(names, in.name)
	}
	return names
}
