package bigquery

import (
	"fmt"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"leadsync/sinks"
)

// settle acts on the answer to the first request under way.
func (l *lane) settle(e *entry, answer *storagepb.AppendRowsResponse, err error) {
	if err == nil && len(answer.GetRowErrors()) == 0 {
		l.written(e, answer)
		return
	}
	class := e.class(answer, err)
	exists, beyond := isCode(err, codes.AlreadyExists, storagepb.StorageError_OFFSET_ALREADY_EXISTS),
		isCode(err, codes.OutOfRange, storagepb.StorageError_OFFSET_OUT_OF_RANGE)
	if answer == nil {
		l.cut = true
		if (exists || beyond || class == sinks.Data) && !e.alone {
			// Any request on the connection may be meant.
			e.alone = true
			l.putBack(e, class)
			l.doubted(e)
			return
		}
	}
	switch {
	case exists && e.doubt:
		l.written(e, nil)
	case beyond && l.broken:
		l.putBack(e, "") // it follows one that has failed
	case exists || beyond:
		l.lose(fmt.Errorf("stream of %s does not end where it should, at row %d: %w", l.table.Name, e.offset, err))
	case class == sinks.Data:
		l.broken = true // those behind it must move up
		l.told(e, answer, err)
	default:
		l.putBack(e, class)
		l.doubted(e)
		l.class = class
		l.cut = l.cut || class == sinks.Setup || class == sinks.Transient && l.own.try >= 2
		l.failed(class, err, e.begun)
		l.stale = l.stale || isLost(err)
		if l.stale && l.end > 0 {
			l.gone(err)
		}
	}
}

// written notes that a request is in the stream, and with it all that failed
// before it without having been refused: the service puts nothing behind a
// gap.
func (l *lane) written(e *entry, answer *storagepb.AppendRowsResponse) {
	place := l.end
	for _, b := range l.back {
		place += int64(len(b.rows))
	}
	if at := answer.GetAppendResult().GetOffset(); e.offset != place || at != nil && at.GetValue() != place {
		l.lose(fmt.Errorf("stream of %s took rows at %d, not at its end, %d", l.table.Name, e.offset, place))
		return
	}
	for _, b := range l.back {
		l.durable(b)
	}
	l.back = nil
	l.durable(e)
}

func (l *lane) durable(e *entry) {
	l.end = e.after()
	l.own.progress = true
	l.config.Observer.Appended(l.table.ID, len(e.rows), e.bytes, time.Since(e.begun))
	l.health.succeeded()
	l.told(e, nil, nil)
}

// putBack keeps a request for another try. class is why it failed, "" if it
// only followed one that did.
func (l *lane) putBack(e *entry, class sinks.Class) {
	l.broken = true
	if class == "" {
		class = sinks.Transient
	}
	e.failed = class
	l.back = append(l.back, e)
}

// doubted notes that a request may have been written, or may be one day.
func (l *lane) doubted(e *entry) {
	e.doubt = true
	l.doubt = max(l.doubt, e.after())
}

// resolve settles every doubt by the number of rows in the finalized stream.
// It returns an error if that is not what was sent.
func (l *lane) resolve(count int64) error {
	wrong := fmt.Errorf("stream of %s has %d rows, and should have %d", l.table.Name, count, l.end)
	if count < l.end || count > max(l.end, l.doubt) {
		return wrong
	}
	l.mu.Lock()
	line := l.line
	l.line = nil
	l.mu.Unlock()
	var left []*entry
	for _, e := range line {
		switch {
		case !e.doubt || count <= e.offset:
			e.doubt = false
			left = append(left, e)
		case count < e.after():
			return wrong
		default:
			l.durable(e)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line = append(left, l.line...)
	return nil
}

func isCode(err error, code codes.Code, detail storagepb.StorageError_StorageErrorCode) bool {
	return status.Code(err) == code || storageCode(err) == detail
}

// isLost reports that the service does not have the stream any more, or will
// take nothing for it.
func isLost(err error) bool {
	switch storageCode(err) {
	case storagepb.StorageError_STREAM_NOT_FOUND, storagepb.StorageError_STREAM_FINALIZED,
		storagepb.StorageError_INVALID_STREAM_STATE, storagepb.StorageError_INVALID_STREAM_TYPE,
		storagepb.StorageError_STREAM_ALREADY_COMMITTED:
		return true
	}
	return false
}
