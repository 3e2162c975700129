package faults

import (
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// resumed are the status codes after which the client library opens a stream
// again by itself. After all others pulling starts anew.
var resumed = map[codes.Code]bool{
	codes.DeadlineExceeded: true, codes.Internal: true, codes.Aborted: true, codes.Unavailable: true,
}

// pullFaults are what can become of pulling and of acknowledgements.
func pullFaults() []Fault {
	var list []Fault
	for _, c := range appendCodes {
		f := Fault{
			Name: "pull-" + slug(c.name), Wrong: "streams of messages end with " + c.name + ", and new ones are refused", Class: Transient,
			Does: "starts pulling anew after 0.5 to 30 s", Sees: "/readyz and the log name the subscription and the cause, at once",
			Play: func(r *Rig) error { return r.failPulls(c.code) },
		}
		if c.class == Setup {
			f.Class, f.Does = Setup, "starts pulling anew after 0.5 to 30 s; if it has never pulled, ends with the cause"
		}
		if resumed[c.code] {
			f.Does, f.Sees = "opens streams again, with random pauses that grow from 1 to 64 s", "nothing within 5 s, then /readyz and the log name the subscription and the cause"
		}
		list = append(list, f)
	}
	return append(list,
		Fault{
			Name: "pull-eof", Wrong: "streams of messages end as if all was well (EOF)", Class: Transient,
			Does: "opens streams again at once", Sees: "nothing", Play: func(r *Rig) error { return r.resetPulls(nil) },
		},
		Fault{
			Name: "pull-reset", Wrong: "streams of messages are reset again and again", Class: Transient,
			Does: "opens streams again; what they had brought goes on to be written and acknowledged", Sees: "nothing",
			Play: func(r *Rig) error { return r.resetPulls(status.Error(codes.Unavailable, "reset")) },
		},
		Fault{
			Name: "pull-unreachable", Wrong: "every connection to Pub/Sub is cut, for 3 s", Class: Transient,
			Does: "connects again; what was given to a connection that is gone may come again", Sees: "nothing while it is short",
			Play: unreachable,
		},
		Fault{
			Name: "subscription-missing", Wrong: "there is no such subscription when the worker starts", Class: Setup,
			Does: "ends with the cause: the platform shows it, and starts it again", Sees: "exit status 1, and the log names the subscription",
			Play: subscriptionMissing,
		},
		Fault{
			Name: "acks-refused", Wrong: "acknowledgements and extensions of leases are answered UNAVAILABLE for 3 s", Class: Delivery,
			Does: "sends them again", Sees: "nothing", Play: acksRefused,
		},
	)
}

// failPulls ends pulling with a code, for a second or until the operator has
// learnt of it.
func (r *Rig) failPulls(code codes.Code) error {
	if err := r.warm(); err != nil {
		return err
	}
	r.PubSub.FailPulls(status.Error(code, "failed on demand of the self-test"))
	r.Publish(100)
	if resumed[code] {
		r.Sleep(time.Second)
	} else {
		r.ExpectRed(alarm, "subscription "+subscription, code.String())
	}
	r.PubSub.FailPulls(nil)
	return r.mended()
}

// resetPulls ends the open streams while messages come.
func (r *Rig) resetPulls(err error) error {
	if err := r.warm(); err != nil {
		return err
	}
	r.Broken()
	for range 6 {
		r.Publish(50)
		r.Sleep(50 * time.Millisecond)
		r.PubSub.ResetStreams(err)
	}
	return r.untouched()
}

func unreachable(r *Rig) error {
	if err := r.warm(); err != nil {
		return err
	}
	r.Publish(100)
	r.PubSub.Down(true)
	r.Publish(100)
	r.Sleep(3 * time.Second)
	r.PubSub.Down(false)
	r.Healed()
	return r.recovered()
}

func subscriptionMissing(r *Rig) error {
	r.PubSub.FailPulls(status.Error(codes.NotFound, "no such subscription"))
	r.Publish(100)
	if err := r.Launch(); err != nil {
		return err
	}
	r.Expect(r.Within(alarm, func() bool {
		select {
		case <-r.Worker.Ended():
			return true
		default:
			return false
		}
	}), "the worker has not ended")
	if err := r.Worker.Kill(); err != nil {
		return err
	}
	r.Expect(r.Worker.Err() != nil, "the worker ended with exit status 0")
	r.Expect(holds(r.Worker.Log(), []string{"subscription " + subscription, "no such subscription"}), "the log does not name the subscription")
	r.PubSub.FailPulls(nil)
	r.Healed()
	if err := r.Start(); err != nil {
		return err
	}
	return r.Settle()
}

func acksRefused(r *Rig) error {
	if err := r.warm(); err != nil {
		return err
	}
	r.PubSub.FailAcks(status.Error(codes.Unavailable, "failed on demand of the self-test"))
	published := len(r.Publish(200))
	r.Sleep(3 * time.Second)
	unacked := r.PubSub.Stats().Unacked
	r.Expect(unacked == published, "%d messages count as acknowledged", published-unacked)
	r.PubSub.FailAcks(nil)
	r.Healed()
	if err := r.Settle(); err != nil {
		return err
	}
	r.ExpectNoNack()
	r.expectFirstDelivery()
	return nil
}
