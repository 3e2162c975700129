package transform

// Type is the type of a column. The names are BigQuery's; each sink maps them
// to its own.
type Type uint8

// The column types. A value's form in an encoded row is BigQuery's Storage
// Write API mapping.
const (
	String    Type = iota + 1 // UTF-8 text; wire: string
	Int64                     // 64-bit signed integer; wire: int64
	Bool                      // wire: bool
	Timestamp                 // an instant; wire: int64, microseconds since the Unix epoch
	JSON                      // JSON text; wire: string
	Bytes                     // wire: bytes
	Record                    // nested columns; wire: message
)

// String returns BigQuery's name of the type.
func (t Type) String() string {
	switch t {
	case String:
		return "STRING"
	case Int64:
		return "INT64"
	case Bool:
		return "BOOL"
	case Timestamp:
		return "TIMESTAMP"
	case JSON:
		return "JSON"
	case Bytes:
		return "BYTES"
	case Record:
		return "RECORD"
	default:
		return "INVALID"
	}
}

// Mode says how many values a column holds.
type Mode uint8

// The column modes. BigQuery lets a live table gain nullable and repeated
// columns only.
const (
	Nullable Mode = iota // none or one
	Required             // exactly one
	Repeated             // any number, in order
)

// String returns BigQuery's name of the mode.
func (m Mode) String() string {
	switch m {
	case Required:
		return "REQUIRED"
	case Repeated:
		return "REPEATED"
	default:
		return "NULLABLE"
	}
}

// A Column is one column of a table. Its place in [Table.Columns], counted
// from 1, is its field number in an encoded row.
type Column struct {
	Name        string
	Type        Type
	Mode        Mode
	Description string

	// Source is the path of the event's key whose value the column holds:
	// "mid", "extra_data.owner". Empty for a column that is made here.
	Source string

	// Delivery marks the columns that tell how a copy of an event reached
	// us; they differ between copies of the same event.
	Delivery bool

	// Columns are the nested columns of a [Record].
	Columns []Column
}

// TableID numbers the tables, in the order in which they are defined.
type TableID uint8

// The tables.
const (
	EventsLog TableID = iota
	TransitionsLog
	DeadLetters
	SyncBatches
	Erasures
	DeadLetterReplays
	BackfillCheckpoints
	NumTables int = iota
)

// String returns the table's name.
func (id TableID) String() string { return tables[id].Name }

// Table returns the definition of the table. It is shared: do not change it.
func (id TableID) Table() *Table { return &tables[id] }

// A Table is the definition from which the BigQuery schema, the wire format,
// the embedded warehouse's DDL and the data dictionary are made.
type Table struct {
	ID          TableID
	Name        string
	Description string
	Columns     []Column

	// PartitionBy is the TIMESTAMP column whose day (UTC) partitions the table.
	PartitionBy string

	// ClusterBy are the columns by which BigQuery sorts a partition's blocks.
	ClusterBy []string

	// Key are the columns that identify a fact: rows equal in them are
	// copies of each other.
	Key []string
}

// Tables returns the definitions of all tables, in order of [TableID]. They
// are shared: do not change them.
func Tables() []Table { return tables[:] }

// Column returns the table's column of that name, nil if there is none.
func (t *Table) Column(name string) *Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}
