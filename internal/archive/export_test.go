package archive

// Buckets is how many points a history can have.
const Buckets = buckets
