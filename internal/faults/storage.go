package faults

import (
	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"google.golang.org/grpc/codes"
)

// storageErrors are the details with which an append can fail, with the status
// code that carries each.
var storageErrors = []struct {
	code   storagepb.StorageError_StorageErrorCode
	status codes.Code
	name   string
	class  Class
}{
	{storagepb.StorageError_TABLE_NOT_FOUND, codes.NotFound, "TABLE_NOT_FOUND", Setup},
	{storagepb.StorageError_STREAM_ALREADY_COMMITTED, codes.InvalidArgument, "STREAM_ALREADY_COMMITTED", Data},
	{storagepb.StorageError_STREAM_NOT_FOUND, codes.NotFound, "STREAM_NOT_FOUND", Setup},
	{storagepb.StorageError_INVALID_STREAM_TYPE, codes.InvalidArgument, "INVALID_STREAM_TYPE", Setup},
	{storagepb.StorageError_INVALID_STREAM_STATE, codes.InvalidArgument, "INVALID_STREAM_STATE", Setup},
	{storagepb.StorageError_STREAM_FINALIZED, codes.InvalidArgument, "STREAM_FINALIZED", Setup},
	{storagepb.StorageError_SCHEMA_MISMATCH_EXTRA_FIELDS, codes.InvalidArgument, "SCHEMA_MISMATCH_EXTRA_FIELDS", Setup},
	{storagepb.StorageError_OFFSET_ALREADY_EXISTS, codes.AlreadyExists, "OFFSET_ALREADY_EXISTS", Transient},
	{storagepb.StorageError_OFFSET_OUT_OF_RANGE, codes.OutOfRange, "OFFSET_OUT_OF_RANGE", Transient},
	{storagepb.StorageError_CMEK_NOT_PROVIDED, codes.InvalidArgument, "CMEK_NOT_PROVIDED", Setup},
	{storagepb.StorageError_INVALID_CMEK_PROVIDED, codes.InvalidArgument, "INVALID_CMEK_PROVIDED", Setup},
	{storagepb.StorageError_CMEK_ENCRYPTION_ERROR, codes.Internal, "CMEK_ENCRYPTION_ERROR", Setup},
	{storagepb.StorageError_KMS_SERVICE_ERROR, codes.InvalidArgument, "KMS_SERVICE_ERROR", Transient},
	{storagepb.StorageError_KMS_PERMISSION_DENIED, codes.PermissionDenied, "KMS_PERMISSION_DENIED", Setup},
}
