package files

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Catches a failure for want of credentials that does not say what to do, and a
// secret of the credentials in an error.
func TestCredentials(t *testing.T) {
	t.Setenv(emulator, "")
	file := filepath.Join(t.TempDir(), "credentials.json")
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	_, err := newStore(t).List(context.Background(), []string{"gs://leads/a"})
	fails(t, err, "list gs://leads/a: ", "credentials.json", "run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS=FILE")

	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_ = r.ParseForm()
		_, _ = w.Write([]byte(`{"error":"invalid_grant","error_description":"secret ` + r.Form.Get("assertion") + `"}`))
	}))
	defer tokens.Close()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if err := os.WriteFile(file, account(t, tokens.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = newStore(t).List(context.Background(), []string{"gs://leads/a"})
	fails(t, err, "list gs://leads/a: no token was given for the credentials: 400 Bad Request", "renew the credentials")
	if strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

// Catches a connection over TLS on which the server speaks another HTTP than
// the client, or one that all readers share.
func TestConnect(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Proto", r.Proto)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	t.Setenv(emulator, "any")
	s := newStore(t)
	if err := s.connect(); err != nil {
		t.Fatal(err)
	}
	s.wires.TLSClientConfig.RootCAs = x509.NewCertPool()
	s.wires.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	answer, err := s.client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil || answer.Header.Get("Proto") != "HTTP/1.1" {
		t.Error(answer.Header, err)
	}
	s.wires.CloseIdleConnections()
}

// account is the file of a service account whose tokens come from that address.
func account(t *testing.T, tokens string) []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	file, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "w@acme.iam.gserviceaccount.com", "private_key_id": "1", "token_uri": tokens,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return file
}
