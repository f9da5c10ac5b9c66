printf '{"greeting": "hello, %s"}\n' "${1:-you}"
