# Stands in for curl in the README's own commands: the answer goes on to them as it came, the report to file descriptor 3.
# What they print themselves, bodies and statuses, is in the report already.
exec 3>&1 >/dev/null

curl() {
  local argument previous= method= url= head
  for argument in "$@"; do
    case "$previous" in
      -X) method=$argument ;;
      -d) method=${method:-POST} ;;
    esac
    case "$argument" in http*) url=$argument ;; esac
    previous=$argument
  done
  head=$(mktemp)
  command curl -D "$head" "$@" --write-out '' | tee "$head.body"
  {
    printf '\n%s %s\n' "${method:-GET}" "${url#"$API_URL"}"
    tr -d '\r' <"$head" |
      grep -iE '^(HTTP/|location|etag|link|retry-after|x-ratelimit-remaining|idempotent|content-disposition)' |
      sed -E 's#^HTTP/[0-9.]+ #  #; t
s#^#    #'
    printf '    %s\n' "$(head -c 160 "$head.body")"
  } >&3
  rm -f "$head" "$head.body"
}
