package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// applicationID marks a database as one of Tidewire. It is "Tide" in ASCII.
const applicationID = 0x54696465

// migrations bring a database from each version of its schema to the next one: the first makes version 1 of an empty
// file. A version that was released is never changed.
var migrations = []string{
	strings.Join([]string{
		metaTables, snapshotTables, runTables, eventTables, sessionTables, alertTables, sampleTables, spanTables,
	}, ";\n"),
	startKeyTables + ";\n" + meaningTables,
	alertKeys,
	endsInOrder,
	leftRowTables,
}

// metaTables has what concerns the whole database, by name.
const metaTables = `CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID`

// checkOwner refuses the database of another program and of a newer version, without changing it.
func checkOwner(ctx context.Context, db *sql.Conn) (version int, err error) {
	var application, tables int
	err = db.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)`).
		Scan(&application, &version, &tables)
	switch {
	case err != nil:
		return 0, err
	case application == 0 && version == 0 && tables == 0:
		return 0, nil // empty: new, or the process ended before it wrote the first version
	case application != applicationID:
		return 0, errForeign
	case version > len(migrations):
		return 0, fmt.Errorf("%w (its schema is version %d, and this one knows versions up to %d)",
			errNewer, version, len(migrations))
	}
	return version, nil
}

// migrate brings a database of the given version to the newest one, in one transaction.
func migrate(ctx context.Context, db *sql.Conn, version int) error {
	if version == len(migrations) {
		return nil
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	for _, statements := range migrations[version:] {
		if _, err := tx.ExecContext(ctx, statements); err != nil {
			return err
		}
	}
	pragmas := fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d", applicationID, len(migrations))
	if _, err := tx.ExecContext(ctx, pragmas); err != nil {
		return err
	}
	return tx.Commit()
}
