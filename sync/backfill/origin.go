package backfill

import (
	"maps"
	"strconv"

	"leadsync/sync/pipeline"
)

// origin implements [pipeline.Config.Origin]: where a dead message's record
// stands, besides the attributes that it came with.
func origin(m *pipeline.Message) map[string]string {
	d := deadRecord(m)
	attributes := make(map[string]string, len(m.Attributes)+3)
	maps.Copy(attributes, m.Attributes)
	attributes["file"] = d.Location
	attributes["offset"] = strconv.FormatInt(d.Offset, 10)
	attributes["record"] = strconv.FormatInt(d.Number, 10)
	if d.From > 0 {
		attributes["record"] += " from offset " + strconv.FormatInt(d.From, 10)
	}
	return attributes
}
