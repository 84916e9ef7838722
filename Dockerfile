# The build uses the Debian release of the final image, so that the C library is the same.
FROM rust:slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential libclang-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# Copy only the files that the build needs, so that editing a test or a page rebuilds nothing. benches
# and the second module are needed because the manifests name them.
COPY Cargo.toml Cargo.lock commands.json ./
COPY src src
COPY benches benches
COPY tests/modules/second_module.rs tests/modules/
RUN cargo build --release --locked

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends redis-server \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o redis -g redis /data
COPY --from=build /build/target/release/libredis_state.so /usr/local/lib/
USER redis
WORKDIR /data
VOLUME /data
EXPOSE 6379
# In protected mode the server would refuse every client outside of the container. Without it, every
# client that can reach port 6379 can do everything, so publish the port to trusted networks only, or
# add --requirepass.
ENTRYPOINT ["redis-server", "--dir", "/data", "--protected-mode", "no", "--loadmodule", "/usr/local/lib/libredis_state.so"]
