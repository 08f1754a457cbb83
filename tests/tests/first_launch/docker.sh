#!/usr/bin/env bash
# Stands in for Docker and Compose, which are outside of the launcher: notes each call, and answers as the files in
# $STATE say.
name=$(basename "$0")
printf '%s\n' "$name $*" >>"$STATE/calls"

refuse() { cat "$STATE/$1" >&2 && exit 1; }

[[ $1 == compose ]] && compose=yes && shift
[[ $name == docker-compose ]] && compose=yes
if [[ -n ${compose-} ]]; then
    [[ $1 == -p ]] && project=$2 && shift 2
    while [[ $1 == -f ]]; do files+=("$2") && shift 2; done
    case $* in
    version*) [[ -f $STATE/version ]] && cat "$STATE/version" ;;
    config) printf '    image: %s\n' aura-sandbox:0.1.0 aura:0.1.0 example/other:1 ;;
    "up -d")
        [[ -f $STATE/up.fails ]] && refuse up.fails
        # Without a child: while one ends by itself, bash takes an interruption for done with.
        [[ -f $STATE/up.waits ]] && : >"$STATE/up.began" && exec sleep 600
        [[ -f $STATE/files ]] || echo "Creating ${project}_aura_1"
        [[ ${files[*]} == *arango* ]] && echo "${project}_arango1" >"$STATE/arango.$project"
        (IFS=, && echo "${files[*]}" >"$STATE/files")
        ;;
    ps*-q*) [[ -f $STATE/files ]] && echo c1 ;;
    down*) rm -f "$STATE/files" ;;
    "port aura 8000") echo 127.0.0.1:8000 ;;
    *" /aura genesis"*) [[ -f $STATE/genesis.fails ]] && refuse genesis.fails || echo "Created UvmObjects/system." ;;
    *" /aura doctor") printf 'AURA_DATA  /data\n\nok    image\n' ;;
    esac
    exit
fi
case $* in
"info --format {{.ServerVersion}}") [[ -f $STATE/info.fails ]] && refuse info.fails || echo 27.0.0 ;;
"info --format {{json .Runtimes}}") [[ -f $STATE/gpu ]] && echo '{"nvidia":{}}' || echo '{"runc":{}}' ;;
"info --format {{.OperatingSystem}}") cat "$STATE/system" 2>/dev/null ;;
"image inspect "*) grep -qx "$3" "$STATE/images" ;;
"inspect -f "*config_files*) cat "$STATE/files" ;;
"ps -a "*) echo "c1 aura_aura_1 $(cat "$STATE/health")" ;;
"network inspect "*) echo 127.0.0.9 ;;
"volume ls "*project=*volume=arango1) cat "$STATE/arango.${5##*=}" 2>/dev/null ;;
"logs "*) echo "cannot open /data" ;;
esac
