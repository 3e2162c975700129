// Package sqlcheck holds every statement of BigQuery's that the program has
// against GoogleSQL, the parser and analyzer of BigQuery itself, and against
// what is known of BigQuery beyond it: the tables and views, the statements
// that commands run, those that a schema plan shows, and the examples in the
// documentation. It is a test; nothing is sent anywhere.
//
// It finds names, types and column counts that are wrong, a view whose columns
// are not those of the embedded warehouse, functions that BigQuery does not
// have, materialized views that it cannot keep up to date, filters that do not
// reach a table's partitions, names that are reserved.
//
// It is a module of its own because of what GoogleSQL weighs: a hundred
// megabytes of Go made from its C++, which take two cores about four minutes, 7
// GB of memory (5 GB with GOMEMLIMIT=4GiB) and 1.2 GB of build cache to compile
// the first time. Nobody who builds the program should have to. Run it by
// itself:
//
//	cd internal/sqlcheck && go test -count=1 ./...
//
// (The go command does not watch the documentation's pages, which lie outside
// the module, and would repeat an old result.)
// Its go.mod follows the program's by a replace directive; when the program's
// requirements change, go mod tidy brings it up to date.
//
// A new statement needs a sample of its data in statements_test.go. A new view
// that no filter on the partition column can make cheaper needs its reason in
// pruning_test.go. A function that BigQuery has and no statement used before
// is added in language_test.go.
package sqlcheck
