package bqtest

import "testing"

// TestDropColumn would catch a table that keeps the column, in its schema or
// for rows to come, or that loses its rows.
func TestDropColumn(t *testing.T) {
	s := withTable(t)
	w := newWriter(t, s)
	if _, err := w.append(w.row("a")); err != nil {
		t.Fatal(err)
	}
	column := schema()[2].Name
	if err := s.DropColumn("t", column); err != nil {
		t.Fatal(err)
	}
	if _, err := newWriter(t, s).append(w.row("b")); err == nil {
		t.Error("a row of the old schema was taken")
	}
	if n := s.NumRows("t"); n != 1 {
		t.Errorf("%d rows", n)
	}
	if err := s.SetSchema(project, ds, "t", schema()); err != nil {
		t.Errorf("the column cannot be added again: %v", err)
	}
	for _, bad := range [][2]string{{"t", "nothing"}, {"nothing", column}} {
		if err := s.DropColumn(bad[0], bad[1]); err == nil {
			t.Errorf("dropped column %s of %s", bad[1], bad[0])
		}
	}
}
