#!/usr/bin/env bash
# The deployment, end to end and on this machine alone: `sam build` makes the
# package, `sam local invoke` runs it in a container, and the mappings it makes
# are read from the embedded AWS in another container. Nothing leaves the
# machine but downloads of packages.
#
#     tests/sam-local.sh [--without-docker]
#     tests/sam-local.sh --package FUNCTION.zip    # one that is there: without Docker
#
# Where Docker runs but Lambda's public base image cannot be pulled, a stand-in
# of the same name is made from Debian packages. Without Docker the same package
# runs under the Lambda Runtime Interface Emulator of the aws-sam-cli wheel.
#
# Needs on PATH: sam, cargo-lambda (both from PyPI), cargo, curl, python3 (3.11),
# readelf. CARGO_TARGET_DIR is honoured.
set -euo pipefail
cd "$(dirname "$0")/.."

newest_glibc=2.34 # what provided.al2023 has
store=d-1234567890
studio=es-ABCDEFGHIJKLMNOPQRSTUVWXY
architecture=$(uname -m | sed 's/aarch64/arm64/')
base=public.ecr.aws/lambda/provided:al2023-$architecture
name=emr-studio-sync-local-$$

# The embedded AWS asks for no credentials; real ones have no business here.
export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_DEFAULT_REGION=us-east-1
unset AWS_SESSION_TOKEN AWS_PROFILE AWS_REGION
export SAM_CLI_TELEMETRY=0

say() { printf '\n── %s\n' "$*"; }
fail() { printf 'sam-local: %s\n' "$*" >&2; exit 1; }

work=$(mktemp -d)
processes=() images=() layered=""
clean_up() {
    status=$?
    for process in "${processes[@]}"; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    if [ "${#images[@]}" -gt 0 ]; then
        {
            docker rm --force "$name"
            docker network rm "$name"
            # With a layer, sam names its image by a hash: whatever is new is ours.
            mapfile -t -O "${#images[@]}" images < <(layered_images | grep -vxF "${layered:-none}")
            docker image rm --force "${images[@]}"
        } >/dev/null 2>&1 || true
    fi
    rm -rf "$work"
    exit "$status"
}
layered_images() { docker image ls --no-trunc --quiet --filter reference='samcli/lambda-provided'; }
trap clean_up EXIT
trap 'exit 130' INT TERM

# ── The package ──────────────────────────────────────────────────────────────

# The parameters without a default, and the processor of this machine.
parameters=(
    "IdentityStoreId=$store" "Studios=$studio" Mode=apply
    PolicyTable=/opt/policy.toml "Architecture=$architecture"
)

package=$work/build/Function
if [ "${1:-}" = --package ]; then
    say "the package $2"
    mkdir -p "$package"
    python3 -m zipfile -e "$2" "$package"
    chmod +x "$package/bootstrap" # which Python's unzip does not
else
    say "sam build"
    begun=$SECONDS
    sam build --build-dir "$work/build" --parameter-overrides "${parameters[@]}" >"$work/build.log" 2>&1 ||
        { cat "$work/build.log" >&2; fail "sam build failed"; }
    echo "built in $((SECONDS - begun)) s"
fi
[ "$(ls "$package")" = bootstrap ] || fail "the package has more in it than the binary: $(ls "$package")"
echo "package: $(wc -c <"$package/bootstrap") bytes, $(gzip -c "$package/bootstrap" | wc -c) compressed"

case $architecture in
    x86_64) machine=X86-64 ;;
    arm64) machine=AArch64 ;;
    *) fail "Lambda has no $architecture" ;;
esac
readelf --file-header "$package/bootstrap" | grep -q "Machine:.*$machine" || fail "the binary is not for $architecture"
glibc=$(readelf --version-info --wide "$package/bootstrap" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -uV | tail -n 1)
[ "$(printf '%s\n' "$glibc" "$newest_glibc" | sort -V | tail -n 1)" = "$newest_glibc" ] ||
    fail "the binary needs glibc $glibc; provided.al2023 has $newest_glibc"
echo "needs glibc $glibc; provided.al2023 has $newest_glibc"

say "the operator's tool, for the embedded AWS"
cargo build --quiet --features cli --bin emr-studio-sync
tool=${CARGO_TARGET_DIR:-target}/debug/emr-studio-sync

# The table goes in through the environment, as PolicyTable would.
python3 - "$work/variables" <<'PYTHON'
import json, sys, tomllib
with open("events/policy.toml", "rb") as file:
    table = tomllib.load(file)
print(json.dumps(table), file=open(sys.argv[1], "w"), end="")
PYTHON
table=$(cat "$work/variables")

# ── How a session goes, wherever the function runs ───────────────────────────

# Asks the embedded AWS, the way an SDK does.
ask() {
    curl --silent --show-error --fail --max-time 10 "$aws" \
        -H 'Content-Type: application/x-amz-json-1.1' -H "X-Amz-Target: ElasticMapReduce.$1" -d "$2"
}

mappings() {
    ask ListStudioSessionMappings '{}' | python3 -c '
import json, sys
for mapping in json.load(sys.stdin)["SessionMappings"]:
    print("  ", mapping["StudioId"], mapping["IdentityType"], mapping["IdentityName"], mapping["SessionPolicyArn"].split("/")[-1])
' | sort
}

wait_for_aws() {
    for _ in $(seq 50); do
        if ask ListStudioSessionMappings '{}' >/dev/null 2>&1; then return; fi
        sleep 0.2
    done
    fail "the embedded AWS does not answer at $aws"
}

# Whether the report of an invocation has a field as it should be.
expect() {
    python3 - "$work/answer" "$@" <<'PYTHON' || { cat "$work/answer" "$work/log" >&2; fail "the answer is not what it should be"; }
import json, sys
report = json.load(open(sys.argv[1]))
wrong = {}
for field in sys.argv[2:]:
    name, value = field.split("=")
    if str(report.get(name)) != value:
        wrong[name] = report.get(name)
print("  ", {name: report.get(name) for name in ("mode", "scope", "created", "unchanged", "failed", "reason")})
if wrong:
    sys.exit(f"expected {sys.argv[2:]}, got {json.dumps(report, indent=2)}")
PYTHON
}

session() {
    say "before: the mapping somebody made by hand"
    mappings
    say "a full pass: events/01-schedule-first-pass.json"
    invoke events/01-schedule-first-pass.json
    expect mode=apply scope=everything created=6 failed=0
    say "a decoy: events/11-somebody-elses-group.json"
    invoke events/11-somebody-elses-group.json
    expect scope=nothing created=0
    say "the full pass again: events/12-schedule.json"
    invoke events/12-schedule.json
    expect scope=everything created=0 unchanged=6 failed=0
    say "after: the mappings as the embedded AWS has them"
    mappings | tee "$work/after"
    grep -q "$studio USER alice@example.com studio-engineer" "$work/after" || fail "the mapping of alice@example.com is not there"
    [ "$(wc -l <"$work/after")" = 7 ] || fail "there should be seven mappings"
}

# ── In containers ────────────────────────────────────────────────────────────

# The name sam looks for, with what it needs: a shell to put the Runtime
# Interface Emulator in its place, and the libraries the binary is linked to.
stand_in() {
    mkdir -p "$work/debian" "$work/root"
    (
        cd "$work/debian"
        fetch() { apt-get download libc6 libgcc-s1 busybox-static ca-certificates >apt.log 2>&1; }
        fetch || { apt-get update >apt.log 2>&1 && fetch; } || { cat apt.log >&2; exit 1; }
    ) || return 1
    for directory in bin lib lib64 sbin; do
        mkdir -p "$work/root/usr/$directory"
        ln -s "usr/$directory" "$work/root/$directory"
    done
    for deb in "$work"/debian/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -C "$work/root" -x --no-same-owner --keep-directory-symlink
    done
    for command in sh mv cp rm chmod; do
        ln -sf busybox "$work/root/bin/$command"
    done
    mkdir -p "$work/root/etc/ssl/certs" "$work"/root/{opt,tmp} "$work"/root/var/{task,runtime,rapid}
    cat "$work"/root/usr/share/ca-certificates/mozilla/*.crt >"$work/root/etc/ssl/certs/ca-certificates.crt"
    # What the real image sets.
    tar -C "$work/root" -c . | docker import \
        -c 'ENV PATH=/usr/local/bin:/usr/bin/:/bin:/opt/bin LANG=en_US.UTF-8 TZ=:/etc/localtime' \
        -c 'ENV LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime' \
        -c 'WORKDIR /var/task' - "$base" >/dev/null
}

# The tool, the libraries it is linked to on this machine, and its directory.
emulator_image() {
    mkdir -p "$work/emulator"
    cp "$tool" events/directory.toml "$work/emulator/"
    ldd "$tool" | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "$work/emulator$(dirname "$library")"
        cp -L "$library" "$work/emulator$library"
    done
    tar -C "$work/emulator" -c . | docker import - "$name" >/dev/null
}

in_containers() {
    images=("$name")
    layered=$(layered_images)
    pull=()
    if docker image inspect "$base" >/dev/null 2>&1; then
        say "the base image $base is here"
    elif timeout 300 docker pull --quiet "$base" >"$work/pull.log" 2>&1; then
        say "pulled the base image $base"
    else
        say "$base cannot be pulled ($(tail -n 1 "$work/pull.log")): a stand-in is made from Debian packages"
        stand_in || fail "the stand-in cannot be made; --without-docker does not need it"
        images+=("$base")
        pull=(--skip-pull-image)
    fi
    docker network create "$name" >/dev/null
    emulator_image
    # Published on loopback, only for the questions this script asks.
    docker run --detach --name "$name" --network "$name" --network-alias aws --publish 127.0.0.1::4599 \
        "$name" /emr-studio-sync emulate --listen 0.0.0.0:4599 --directory /directory.toml >/dev/null
    aws=http://$(docker port "$name" 4599/tcp | head -n 1)
    wait_for_aws
    TABLE=$table STORE=$store python3 - "$work/env.json" <<'PYTHON'
import json, os, sys
variables = {
    "AWS_ENDPOINT_URL_EMR": "http://aws:4599",
    "AWS_ENDPOINT_URL_IDENTITYSTORE": "http://aws:4599",
    "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": "http://aws:4599",
    "IDENTITY_STORE_ID": os.environ["STORE"],
    "POLICY_TABLE": os.environ["TABLE"],
    "MODE": "apply",
}
json.dump({"Function": variables}, open(sys.argv[1], "w"), indent=0)
PYTHON
    # policy/ holds placeholders: the layer gets the story's table in its place.
    mkdir "$work/policy"
    cp events/policy.toml "$work/policy/"
    sed -i "s|^\( *ContentUri: \).*|\1$work/policy|" "$work/build/template.yaml"
    invoke() {
        sam local invoke Function --template "$work/build/template.yaml" --event "$1" --env-vars "$work/env.json" \
            --docker-network "$name" --parameter-overrides "${parameters[@]}" \
            --layer-cache-basedir "$work/layers" "${pull[@]}" >"$work/answer" 2>"$work/log" ||
            { cat "$work/log" "$work/answer" >&2; fail "sam local invoke failed"; }
        grep '^REPORT' "$work/log" || true
    }
    session

    say "and with the table from a file, in the layer: events/12-schedule.json"
    sed -i '/POLICY_TABLE/d' "$work/env.json"
    invoke events/12-schedule.json
    expect scope=everything created=0 unchanged=6 failed=0
}

# ── Without containers ───────────────────────────────────────────────────────

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

without_containers() {
    # The interpreter of the sam command knows where its wheel was unpacked.
    local python rie port api
    python=$(sed -n '1s/^#!//p' "$(command -v sam)")
    rie=$("$python" -c 'import pathlib, samcli; print(pathlib.Path(samcli.__file__).parent / "local/rapid")')/aws-lambda-rie-$architecture
    # The wheel does not keep the permission to run it.
    install -m 755 "$rie" "$work/rie"
    aws=http://127.0.0.1:$(free_port)
    "$tool" emulate --listen "${aws#http://}" >"$work/emulate.log" 2>&1 &
    processes+=($!)
    wait_for_aws
    port=$(free_port) api=$(free_port)
    AWS_ENDPOINT_URL_EMR=$aws AWS_ENDPOINT_URL_IDENTITYSTORE=$aws AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=$aws \
        IDENTITY_STORE_ID=$store POLICY_TABLE=$table MODE=apply AWS_REGION=$AWS_DEFAULT_REGION \
        AWS_LAMBDA_FUNCTION_NAME=Function AWS_LAMBDA_FUNCTION_TIMEOUT=180 \
        "$work/rie" --runtime-interface-emulator-address "127.0.0.1:$port" --runtime-api-address "127.0.0.1:$api" \
        "$package/bootstrap" >"$work/log" 2>&1 &
    processes+=($!)
    invoke() {
        curl --silent --show-error --fail --max-time 200 --retry 10 --retry-connrefused --retry-delay 1 \
            "http://127.0.0.1:$port/2015-03-31/functions/function/invocations" -d @"$1" >"$work/answer" ||
            { cat "$work/log" >&2; fail "the Runtime Interface Emulator does not answer"; }
    }
    session
}

if [ "${1:-}" = --without-docker ] || [ "${1:-}" = --package ]; then
    say "without Docker, as asked: under the Runtime Interface Emulator"
    without_containers
elif docker info >/dev/null 2>&1; then
    in_containers
else
    say "Docker does not run here: under the Runtime Interface Emulator"
    without_containers
fi
say "done"
