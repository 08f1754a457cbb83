#!/usr/bin/env bash
# Starts AURA in containers, from any folder: checks what is needed, makes what is missing, and leaves alone what is
# there. Every step looks before it acts, so an interrupted launch is completed by the next.
# Exit status: 0 done, 1 something started and failed, 2 wrong usage, 3 something needed is missing.
set -uo pipefail
unset CDPATH

usage="\
puter.sh [COMMAND] [OPTIONS]

  up          check, build, start and set up what is not there yet (without a COMMAND: this)
  monologue   follow what AURA says while it works
  client      a prompt to send messages from
  status      the containers, and what the doctor finds
  down        stop and remove the containers; what AURA learnt stays in its volumes

  --arango        keep the image of objects in an ArangoDB cluster
  --gpu           run Ollama in a container with the NVIDIA GPU
  --host-ollama   use the Ollama that runs on this machine
  --no-models     pull no models"

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd) || exit 3
folder=$root/compose
secrets=$folder/secrets
# What images, volumes and logs of a first launch need. Building the images looks for its own room.
needed_mb=1024
# How long containers may take to become healthy.
patience=${AURA_LAUNCH_PATIENCE_S:-300}

say() { printf '%s\n' "$*"; }

# What is wrong, then what to do.
fail() {
    local status=$1
    shift
    printf '%s\n' "$@" >&2
    exit "$status"
}

in_wsl() { [[ $(uname -r) == *[Mm]icrosoft* ]]; }

# A setting as the containers will see it: of the environment, else of compose/.env.
setting() {
    local line
    if [[ -n ${!1-} ]]; then
        say "${!1}"
    elif [[ -f $folder/.env ]]; then
        line=$(grep "^$1=" "$folder/.env" | tail -n 1)
        line=${line#*=}
        line=${line%$'\r'}
        line=${line#[\"\']}
        say "${line%[\"\']}"
    fi
}

# --- what has to be there ---------------------------------------------------------------------------------------------

without_docker="Without containers, \`cargo xtask first-contact\` in $root runs everything."

check_docker() {
    local answer cure="Install it: https://docs.docker.com/engine/install/"
    in_wsl && cure="Start Docker Desktop in Windows, and in its Settings > Resources > WSL integration switch this on."
    command -v docker >/dev/null || fail 3 "Docker is not installed here." "$cure" "$without_docker"
    answer=$(timeout 30 docker info --format '{{.ServerVersion}}' 2>&1) && return
    case $answer in
    *"permission denied"*)
        cure="Run \`sudo usermod -aG docker $(id -un)\`, then log in again"
        in_wsl && cure+=" (\`wsl --shutdown\` in PowerShell does that)"
        fail 3 "This user may not speak to Docker." "$cure."
        ;;
    *"could not be found in this WSL"*) fail 3 "Docker Desktop is not switched on for this WSL distribution." "$cure" ;;
    esac
    in_wsl || cure="Start it: \`sudo systemctl start docker\`, or open Docker Desktop."
    fail 3 "Docker does not answer: $(head -n 1 <<<"$answer")" "$cure" "$without_docker"
}

# Sets `tool` to the Compose that is there: the plugin, or the older program.
find_compose() {
    local version
    tool=(docker compose)
    docker compose version >/dev/null 2>&1 && return
    tool=(docker-compose)
    version=$(docker-compose version --short 2>/dev/null)
    case $version in
    1.29.* | [2-9].* | v[2-9].*) return ;;
    "") fail 3 "Docker Compose is not installed." "Install the plugin: https://docs.docker.com/compose/install/" ;;
    *) fail 3 "docker-compose $version is too old: 1.29 or newer is needed." \
        "Install the plugin: https://docs.docker.com/compose/install/" ;;
    esac
}

# What Compose names containers and volumes after. Its own choice is the folder's name, and other folders bear that too.
project() {
    local name
    name=$(setting COMPOSE_PROJECT_NAME)
    say "${name:-aura}"
}

# Runs Compose on the chosen files.
compose() {
    local file args=(-p "$(project)" -f compose.yaml)
    for file in "${overrides[@]}"; do args+=(-f "$file"); done
    (cd -- "$folder" && "${tool[@]}" "${args[@]}" "$@")
}

# Fails if too little is free there. A folder that cannot be seen from here (Docker Desktop) is passed over.
check_disk() {
    local place=$1 free
    free=$(df -Pm -- "$place" 2>/dev/null | awk 'NR == 2 { print $4 }')
    [[ -z $free ]] || ((free >= needed_mb)) && return
    fail 3 "Only $free MB are free in $place, and AURA needs $needed_mb MB." \
        "Make room there (\`docker system df\` shows what Docker keeps), then run this again."
}

# --- what is chosen ---------------------------------------------------------------------------------------------------

# The volume of that name which an earlier launch made.
volume() {
    docker volume ls -q --filter "label=com.docker.compose.project=$(project)" \
        --filter "label=com.docker.compose.volume=$1" 2>/dev/null
}

# The container of the server, if it runs.
server() { compose ps -q aura 2>/dev/null | head -n 1; }

ollama_port() {
    local port
    port=$(setting OLLAMA_PORT)
    say "${port:-11434}"
}

# The address of this machine that containers see.
gateway() { docker network inspect bridge --format '{{(index .IPAM.Config 0).Gateway}}' 2>/dev/null; }

# Whether Ollama answers there. In WSL, `curl.exe` asks as a program of Windows.
answers() { "${2:-curl}" -fsS --max-time 3 "http://$1:$(ollama_port)/api/version" >/dev/null 2>&1; }

finds_ollama() {
    answers 127.0.0.1 || answers "$(gateway)" || { in_wsl && answers 127.0.0.1 curl.exe; }
}

# Sets `overrides`: what was asked for, what runs already, else what this machine has.
choose() {
    local id before="" files='{{index .Config.Labels "com.docker.compose.project.config_files"}}'
    id=$(compose ps -a -q aura 2>/dev/null | head -n 1)
    [[ -n $id ]] && before=$(docker inspect -f "$files" "$id" 2>/dev/null)
    # An image that is in ArangoDB is not left behind for an empty one.
    if [[ -n $arango || -n $(volume arango1) ]]; then
        overrides+=(compose.arango.yaml)
        say "Image of objects: ArangoDB."
    fi
    if [[ -z $ollama ]]; then
        choose_ollama "$before"
    fi
    case $ollama in
    gpu)
        overrides+=(compose.ollama.yaml)
        say "Mind: Ollama in a container, on the GPU."
        ;;
    host)
        overrides+=(compose.ollama-on-host.yaml)
        say "Mind: Ollama on this machine."
        ;;
    set)
        say "Mind: as compose/.env or the environment says."
        [[ $(setting AURA_MIND) == openai && -e $secrets/openai_api_key ]] && overrides+=(compose.openai.yaml)
        ;;
    none)
        say "Mind: none found, so AURA will answer, but learn nothing."
        say "  Start Ollama (https://ollama.com/download) and run this again."
        ;;
    esac
}

choose_ollama() {
    local host
    host=$(setting OLLAMA_HOST)
    # Where a server of this machine listens is not where a container finds it.
    [[ $host == *127.0.0.1* || $host == *localhost* || $host == *0.0.0.0* ]] && host=""
    if [[ $(setting AURA_MIND) == openai || -n $host ]]; then
        ollama="set"
    elif [[ $1 == *compose.ollama-on-host.yaml* ]]; then
        ollama=host
    elif [[ $1 == *compose.ollama.yaml* ]]; then
        ollama=gpu
    elif finds_ollama; then
        ollama=host
    elif docker info --format '{{json .Runtimes}}' 2>/dev/null | grep -q nvidia; then
        ollama=gpu
    else
        ollama=none
    fi
}

# An Ollama that listens on 127.0.0.1 alone is not seen by containers, but for those of Docker Desktop.
check_ollama_is_seen() {
    [[ $ollama == host ]] || return
    [[ $(docker info --format '{{.OperatingSystem}}' 2>/dev/null) == *"Docker Desktop"* ]] && return
    answers "$(gateway)" && return
    say "  Containers do not reach it: it listens on 127.0.0.1 alone."
    say "  Give it the lines [Service] and Environment=OLLAMA_HOST=$(gateway) with \`sudo systemctl edit ollama\`,"
    say "  then \`sudo systemctl restart ollama\`, and run this again."
}

# --- what is made -----------------------------------------------------------------------------------------------------

# Makes the secrets that the chosen files name. One that is there stays as it is.
make_secrets() {
    local name file named='s|^ *file: *\./secrets/\([a-z0-9_]*\) *$|\1|p'
    if ! { mkdir -p -- "$secrets" && chmod 700 -- "$secrets"; }; then
        fail 3 "Cannot make $secrets." "Check who owns $folder."
    fi
    if [[ -n $(find "$secrets" -maxdepth 0 -perm /077) ]]; then
        say "Others on this machine may read $secrets: a Windows drive keeps no Linux permissions."
        say "  A checkout in the WSL file system, such as ~/aura, is closed to them, and faster."
    fi
    for name in $(cd -- "$folder" && sed -n "$named" compose.yaml "${overrides[@]}"); do
        file=$secrets/$name
        if [[ ! -e $file ]]; then
            new=$(mktemp "$secrets/.new.XXXXXX") || fail 3 "Cannot write to $secrets." "Check who owns it."
            head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$new"
            chmod 444 -- "$new"
            # Whole or not at all, and never over one that another run has made meanwhile.
            [[ $(<"$new") =~ ^[0-9a-f]{64}$ ]] && mv -n -- "$new" "$file"
            [[ -s $file ]] || fail 3 "Cannot write $file." "Check who owns $secrets, and that the disk is not full."
            rm -f -- "$new"
            say "Made the secret compose/secrets/$name."
        elif [[ ! -s $file ]]; then
            fail 3 "The secret $file is empty." "Remove that file and run this again."
        fi
    done
}

images() { compose config 2>/dev/null | sed -n 's/^ *image: *\(aura\(-sandbox\)\{0,1\}:[^ ]*\) *$/\1/p' | sort -u; }

build_images() {
    local image missing=()
    for image in $(images); do
        docker image inspect "$image" >/dev/null 2>&1 || missing+=("$image")
    done
    ((${#missing[@]})) || return 0
    say "Building ${missing[*]}: the first time this takes a while."
    # A shell that is not a login shell does not find it.
    PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
    command -v cargo >/dev/null || fail 3 "The images ${missing[*]} are not there, and neither is Rust to build them." \
        "Install Rust from https://rustup.rs, or load images made elsewhere with \`docker load\`."
    (cd -- "$root" && cargo xtask image) || fail 1 "The images could not be built." "What is above says why."
    for image in "${missing[@]}"; do
        docker image inspect "$image" >/dev/null 2>&1 || fail 1 "\`cargo xtask image\` made no $image." \
            "Remove AURA_VERSION from compose/.env, or build that version."
    done
}

# --- what is started --------------------------------------------------------------------------------------------------

# A line for each container: its id, its name, and how it is.
states() {
    local id name how
    for id in $(compose ps -a -q 2>/dev/null); do
        docker ps -a --no-trunc --filter "id=$id" --format '{{.ID}} {{.Names}} {{.Status}}'
    done | while read -r id name how; do
        case $how in
        *"(healthy)") how=healthy ;;
        *"(unhealthy)") how=unhealthy ;;
        *"(health: starting)") how=starting ;;
        Created*) how=waiting ;;
        Up*) how=running ;;
        "Exited (0)"*) how=finished ;;
        *) how=falling ;;
        esac
        say "$id $name $how"
    done
}

# Shows what the containers that are not well said last.
show_trouble() {
    local id name how
    while read -r id name how; do
        case $how in healthy | running | finished | waiting) continue ;; esac
        printf '\n%s is %s. It said last:\n' "$name" "$how" >&2
        docker logs --tail 20 "$id" 2>&1 | sed 's/^/    /' >&2
    done < <(states)
}

start() {
    say "Starting the containers."
    said=$(mktemp) || fail 3 "Cannot write to ${TMPDIR:-/tmp}." "Make room there."
    if ! compose up -d 2>&1 | tee -- "$said"; then
        show_trouble
        case $(<"$said") in
        *"port is already allocated"* | *"address already in use"* | *"orts are not available"*)
            fail 1 "A port that AURA needs is taken by another program." \
                "Set another in compose/.env, such as AURA_API_PORT=8010, and run this again."
            ;;
        *"could not select device driver"*)
            fail 1 "Docker finds no NVIDIA GPU." \
                "Install NVIDIA's driver and its Container Toolkit, or use --host-ollama."
            ;;
        *"no space left on device"*) fail 1 "The disk is full." "Make room for Docker, then run this again." ;;
        esac
        fail 1 "The containers did not start." "What is above says why; the next run goes on from here."
    fi
    await_health
}

await_health() {
    local now falls=0 waiting="" deadline=$((SECONDS + patience))
    while :; do
        now=$(states)
        [[ -n $now ]] || fail 1 "The containers are gone." "Run this again."
        case $now in
        *\ unhealthy*) break ;;
        # One that falls once gets up by itself; one that keeps falling does not.
        *\ falling*) ((++falls < 3)) || break ;;
        *\ starting* | *\ waiting*) ;;
        *) say "All containers are well." && return ;;
        esac
        ((SECONDS < deadline)) || break
        [[ -n $waiting ]] || say "Waiting until they are well."
        waiting=yes
        sleep 1
    done
    show_trouble
    fail 1 "AURA has not become healthy." \
        "What it said is above. \`puter.sh status\` looks again; the next run goes on from here."
}

up() {
    trap 'printf "\n%s\n" "Interrupted. The next run goes on from here." >&2; exit 130' INT TERM
    check_docker
    find_compose
    check_disk "$folder"
    check_disk "$(docker info --format '{{.DockerRootDir}}' 2>/dev/null)"
    choose
    check_ollama_is_seen
    make_secrets
    build_images
    start
    say "Genesis: the first objects, and the models of the mind."
    compose exec -T aura /aura genesis "${genesis[@]}" </dev/null ||
        fail 1 "Genesis is not complete." "What is above says why; the next run goes on from here."
    say "What the doctor finds:"
    # All settings come first, up to an empty line.
    compose exec -T aura /aura doctor </dev/null | sed '1,/^$/d' || say "  (AURA runs all the same.)"
    explain
}

explain() {
    local script address
    script=$root/genesis/puter.sh
    address=$(compose port aura 8000 2>/dev/null | head -n 1)
    printf '\nAURA is up%s. Talk to it:\n\n  %q client\n  %q monologue\n\n' \
        "${address:+ at http://$address}" "$script" "$script"
    say "In the client: send UvmObjects/system teach_yourself_to_greet"
}

# Makes sure that there is a server to speak to.
need_server() {
    check_docker
    find_compose
    [[ -n $(server) ]] || fail 3 "AURA is not running." "Start it: $(printf '%q' "$root/genesis/puter.sh")"
}

# --- the command line -------------------------------------------------------------------------------------------------

exclusive() { fail 2 "$1 and $2 exclude each other." "Choose one."; }

command=""
arango=""
ollama=""
genesis=()
overrides=()
for word in "$@"; do
    case $word in
    -h | --help) say "$usage" && exit 0 ;;
    --arango) arango=yes ;;
    --gpu) [[ $ollama != host ]] || exclusive --gpu --host-ollama && ollama=gpu ;;
    --host-ollama) [[ $ollama != gpu ]] || exclusive --gpu --host-ollama && ollama=host ;;
    --no-models) genesis+=(--no-models) ;;
    up | monologue | client | status | down)
        [[ -z $command ]] || exclusive "$command" "$word"
        command=$word
        ;;
    *) fail 2 "$word is neither a command nor an option." "" "$usage" ;;
    esac
done

new=""
said=""
trap 'rm -f -- "$new" "$said"' EXIT

case ${command:-up} in
up) up ;;
monologue)
    need_server
    compose logs -f --tail 100 aura
    ;;
client)
    need_server
    compose exec aura /aura repl
    ;;
status)
    need_server
    compose ps && compose exec -T aura /aura doctor </dev/null
    ;;
down)
    check_docker
    find_compose
    # Those of the overrides too, whichever were chosen.
    compose down --remove-orphans
    ;;
esac
