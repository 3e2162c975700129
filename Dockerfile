# syntax=docker/dockerfile:1

# One image for all that runs in the cloud: the pull worker, the HTTP service
# and the backfill job differ only in their arguments.
#
#   docker build --build-arg VERSION="$(git describe --tags --always --dirty)" -t leadsync .

# The compiler runs on the builder's own platform and cross-compiles, which
# takes a fraction of the time of compiling under emulation.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src

# Modules first: this layer is built anew only when they change.
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download

COPY . .
ARG VERSION=devel
ARG TARGETOS
ARG TARGETARCH
# Without cgo the program needs no C library and the embedded warehouse is left
# out: in a container its file would vanish with the instance. -trimpath keeps
# the builder's paths out of it; -s -w leave out the symbols for debuggers,
# stack traces keep their names and lines. The tag leaves out what the storage
# library would need to speak gRPC: a quarter of the program.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -tags disable_grpc_modules -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o /leadsync ./cmd/leadsync

# No shell and no package manager to be attacked; certificates to speak to
# Google and the time zones that SOURCE_TIMEZONE names are there. The user is
# not root and can write nowhere.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /leadsync /leadsync
# PORT: health, metrics and, where served, the web hook. Platforms probe it
# themselves, so the image has no health check of its own.
EXPOSE 8080
# The exec form: SIGTERM must reach the program for it to drain.
ENTRYPOINT ["/leadsync"]
CMD ["run"]
