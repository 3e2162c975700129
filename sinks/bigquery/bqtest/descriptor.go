package bqtest

import (
	"fmt"
	"strings"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	rest "google.golang.org/api/bigquery/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// A binding ties the fields of a message to the columns of a table.
type binding struct {
	message protoreflect.MessageDescriptor
	fields  []boundField
}

type boundField struct {
	column *rest.TableFieldSchema
	field  protoreflect.FieldDescriptor
	nested *binding // of a RECORD
}

// kinds are the wire types that the service's documentation prefers for the
// columns, and the only ones taken here.
var kinds = map[string]protoreflect.Kind{
	"STRING":    protoreflect.StringKind,
	"JSON":      protoreflect.StringKind,
	"INTEGER":   protoreflect.Int64Kind,
	"BOOLEAN":   protoreflect.BoolKind,
	"TIMESTAMP": protoreflect.Int64Kind,
	"BYTES":     protoreflect.BytesKind,
	"FLOAT":     protoreflect.DoubleKind,
	"RECORD":    protoreflect.MessageKind,
}

// messageType builds the type of the rows from what a writer sent. It must
// stand by itself: imports are not resolved, and its syntax is proto2.
func messageType(sent *descriptorpb.DescriptorProto) (protoreflect.MessageDescriptor, error) {
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name:        proto.String("writer_schema.proto"),
		Syntax:      proto.String("proto2"),
		MessageType: []*descriptorpb.DescriptorProto{proto.CloneOf(sent)},
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("invalid proto schema: %w", err)
	}
	return file.Messages().Get(0), nil
}

// bind ties a message to a table's columns, or says how they do not fit.
func bind(m protoreflect.MessageDescriptor, columns []*rest.TableFieldSchema, entity string) (*binding, error) {
	if extra := extraFields(m, columns, ""); len(extra) > 0 {
		return nil, storageError(codes.InvalidArgument, storagepb.StorageError_SCHEMA_MISMATCH_EXTRA_FIELDS, entity,
			"Input schema has more fields than BigQuery schema, extra fields: '"+strings.Join(extra, "', '")+"'")
	}
	b, err := bindColumns(m, columns, string(m.Name()))
	if err != nil {
		return nil, storageError(codes.InvalidArgument, unspecified, entity, sentence(err))
	}
	return b, nil
}

// extraFields returns the paths of fields that no column takes. Names are
// compared without regard to case, as columns are.
func extraFields(m protoreflect.MessageDescriptor, columns []*rest.TableFieldSchema, path string) []string {
	var extra []string
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		c := findColumn(columns, string(f.Name()))
		switch {
		case c == nil:
			extra = append(extra, path+string(f.Name()))
		case c.Type == "RECORD" && f.Message() != nil:
			extra = append(extra, extraFields(f.Message(), c.Fields, path+c.Name+".")...)
		}
	}
	return extra
}

func bindColumns(m protoreflect.MessageDescriptor, columns []*rest.TableFieldSchema, path string) (*binding, error) {
	b := &binding{message: m}
	for _, c := range columns {
		at := path + "." + c.Name
		f := findField(m, c.Name)
		if f == nil {
			if c.Mode == "REQUIRED" {
				return nil, fmt.Errorf("the required BigQuery field %s is missing in the proto schema", at)
			}
			continue
		}
		kind, ok := kinds[c.Type]
		if !ok {
			return nil, fmt.Errorf("the BigQuery field type %s of %s is not taken by this stand-in", c.Type, at)
		}
		if f.Kind() != kind {
			return nil, fmt.Errorf("the proto field mismatched with BigQuery field at %s, the proto field type %s, BigQuery field type %s", at, f.Kind(), c.Type)
		}
		if f.IsMap() || f.IsList() != (c.Mode == "REPEATED") {
			return nil, fmt.Errorf("the proto field mismatched with BigQuery field at %s, the proto field is %s, BigQuery field mode %s", at, f.Cardinality(), c.Mode)
		}
		bound := boundField{column: c, field: f}
		if c.Type == "RECORD" {
			nested, err := bindColumns(f.Message(), c.Fields, at)
			if err != nil {
				return nil, err
			}
			bound.nested = nested
		}
		b.fields = append(b.fields, bound)
	}
	return b, nil
}

func findField(m protoreflect.MessageDescriptor, column string) protoreflect.FieldDescriptor {
	if f := m.Fields().ByName(protoreflect.Name(column)); f != nil {
		return f
	}
	for i := range m.Fields().Len() {
		if f := m.Fields().Get(i); strings.EqualFold(string(f.Name()), column) {
			return f
		}
	}
	return nil
}
