package sinktest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"leadsync/transform"
)

// texts are what a string column must give back letter by letter. The empty
// text is a value, not NULL.
var texts = []string{
	"", " ", "lead", "初始线索", "市场公海", "张三 🙂 ﷽", "a\x00b", "tab\tline\r\nend",
	`"quoted" 'single' \back\ {brace} %s $1 --`, "NULL", "e\u0301 vs \u00e9", strings.Repeat("很长的备注。", 50),
}

// documents are what a JSON column must give back, as JSON.
var documents = []string{
	`{}`, `[]`, `null`, `"文"`, `0`, `18446744073709551615`, `-9223372036854775808`, `0.5`,
	`{"name":[null,"张三"],"deep":{"a":[{"b":[1,2,{}]}]},"":"","quote\"d":"\\/\n"}`,
	`{"headimgurl":["[\"http:\\\\/\\\\/img.example.test\\\\/0\"]"]}`,
}

// instants are what a TIMESTAMP column that partitions nothing must hold.
var instants = []time.Time{
	time.Unix(0, 0).UTC(),
	time.UnixMicro(-1).UTC(),
	time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC),
	time.Date(1927, 12, 31, 23, 59, 59, 1000, time.UTC),
	time.Date(2024, 2, 29, 15, 59, 59, 999_999_000, time.UTC),
	time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
}

// A generator makes rows of any table from its definition alone. The same
// seed gives the same rows, and no two rows of one generator are equal.
type generator struct {
	rand *rand.Rand
	name string
	next int
	now  time.Time
}

func newGenerator(name string, seed uint64) *generator {
	return &generator{rand: rand.New(rand.NewPCG(seed, 1)), name: name, now: time.Now().UTC()}
}

// row returns the next row of the table. Its key columns tell it from every
// other; the rest is drawn, NULL about one time in three where it may be.
func (g *generator) row(id transform.TableID) []any {
	t := id.Table()
	g.next++
	row := g.columns(t.Columns)
	for i, c := range t.Columns {
		switch c.Name {
		case t.Key[0]:
			row[i] = fmt.Sprintf("%s-%08d", g.name, g.next)
		case t.PartitionBy:
			// BigQuery takes partitions of 10 years back to 1 ahead.
			row[i] = g.now.Add(-time.Duration(g.rand.Int64N(int64(9 * 365 * 24 * time.Hour)))).Truncate(time.Microsecond)
		}
	}
	return row
}

// lean returns the next row of the table with nothing but its required columns.
func (g *generator) lean(id transform.TableID) []any {
	row := g.row(id)
	for i, c := range id.Table().Columns {
		if c.Mode != transform.Required {
			row[i] = nil
		}
	}
	return row
}

// bad returns a row that no warehouse takes: its last required column is NULL.
// Whatever else it holds contains the word that no error may repeat.
func (g *generator) bad(id transform.TableID) []any {
	row := g.row(id)
	last := -1
	for i, c := range id.Table().Columns {
		if c.Mode == transform.Required {
			last = i
		}
		if c.Type == transform.String && c.Mode == transform.Nullable {
			row[i] = secret
		}
	}
	row[last] = nil
	return row
}

// secret stands for what a payload holds and no error may.
const secret = "13800138000"

func (g *generator) columns(cols []transform.Column) []any {
	row := make([]any, len(cols))
	for i := range cols {
		row[i] = g.value(&cols[i])
	}
	return row
}

func (g *generator) value(c *transform.Column) any {
	if c.Mode == transform.Repeated {
		return g.list(c)
	}
	if c.Mode == transform.Nullable && g.rand.IntN(3) == 0 {
		return nil
	}
	switch c.Type {
	case transform.String:
		return pick(g.rand, texts)
	case transform.JSON:
		return pick(g.rand, documents)
	case transform.Int64:
		return pick(g.rand, []int64{0, 1, -1, 5, math.MaxInt64, math.MinInt64, 1<<53 + 1})
	case transform.Bool:
		return g.rand.IntN(2) == 0
	case transform.Timestamp:
		return pick(g.rand, instants)
	case transform.Bytes:
		return pick(g.rand, [][]byte{{}, {0}, {0xff, 0xfe, 0x80}, []byte(`{"mid":"941"}`)})
	default:
		panic(fmt.Sprintf("sinktest: no values for a single %v, column %s", c.Type, c.Name))
	}
}

// list returns a repeated column's value: nil (an empty one), or up to 4 elements.
func (g *generator) list(c *transform.Column) any {
	n := g.rand.IntN(5)
	if n == 0 {
		return nil
	}
	if c.Type == transform.Record {
		var list [][]any
		for range n {
			list = append(list, g.columns(c.Columns))
		}
		return list
	}
	var list []string
	for range n {
		list = append(list, pick(g.rand, texts))
	}
	return list
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }
