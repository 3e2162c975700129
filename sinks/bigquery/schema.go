package bigquery

import (
	"fmt"

	bq "cloud.google.com/go/bigquery"
	"cloud.google.com/go/bigquery/storage/managedwriter/adapt"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"leadsync/transform"
)

// schemaOf returns the columns as the REST API has them.
func schemaOf(cols []transform.Column) bq.Schema {
	schema := make(bq.Schema, len(cols))
	for i, c := range cols {
		schema[i] = fieldOf(&c)
	}
	return schema
}

func fieldOf(c *transform.Column) *bq.FieldSchema {
	f := &bq.FieldSchema{
		Name:        c.Name,
		Description: c.Description,
		Type:        fieldType(c.Type),
		Required:    c.Mode == transform.Required,
		Repeated:    c.Mode == transform.Repeated,
	}
	if c.Type == transform.Record {
		f.Schema = schemaOf(c.Columns)
	}
	return f
}

// fieldType returns the REST API's name, which is older than that of SQL.
func fieldType(t transform.Type) bq.FieldType {
	switch t {
	case transform.Int64:
		return bq.IntegerFieldType
	case transform.Bool:
		return bq.BooleanFieldType
	default:
		return bq.FieldType(t.String())
	}
}

// currentType gives a type one name: the REST API takes both and answers with
// the older.
func currentType(t bq.FieldType) string {
	switch t {
	case bq.IntegerFieldType:
		return "INT64"
	case bq.BooleanFieldType:
		return "BOOL"
	case bq.FloatFieldType:
		return "FLOAT64"
	case "STRUCT":
		return "RECORD"
	default:
		return string(t)
	}
}

func modeOf(f *bq.FieldSchema) string {
	switch {
	case f.Repeated:
		return "REPEATED"
	case f.Required:
		return "REQUIRED"
	default:
		return "NULLABLE"
	}
}

// metadataOf returns the whole table as the REST API has it.
func metadataOf(t *transform.Table, c Config) *bq.TableMetadata {
	return &bq.TableMetadata{
		Description:            t.Description,
		Schema:                 schemaOf(t.Columns),
		TimePartitioning:       &bq.TimePartitioning{Type: bq.DayPartitioningType, Field: t.PartitionBy},
		Clustering:             &bq.Clustering{Fields: t.ClusterBy},
		RequirePartitionFilter: c.RequirePartitionFilter,
	}
}

// messageOf returns the message that an encoded row of the table is: field i+1
// is column i, with BigQuery's own mapping of types.
func messageOf(t *transform.Table) (protoreflect.MessageDescriptor, error) {
	storage, err := adapt.BQSchemaToStorageTableSchema(schemaOf(t.Columns))
	if err != nil {
		return nil, fmt.Errorf("describe rows of %s: %w", t.Name, err)
	}
	d, err := adapt.StorageSchemaToProto2Descriptor(storage, t.Name)
	if err != nil {
		return nil, fmt.Errorf("describe rows of %s: %w", t.Name, err)
	}
	message, ok := d.(protoreflect.MessageDescriptor)
	if !ok {
		return nil, fmt.Errorf("describe rows of %s: not a message but %T", t.Name, d)
	}
	return message, nil
}

// descriptorOf returns what a stream is told of its rows.
func descriptorOf(t *transform.Table) (*descriptorpb.DescriptorProto, error) {
	message, err := messageOf(t)
	if err != nil {
		return nil, err
	}
	d, err := adapt.NormalizeDescriptor(message)
	if err != nil {
		return nil, fmt.Errorf("describe rows of %s: %w", t.Name, err)
	}
	return d, nil
}
