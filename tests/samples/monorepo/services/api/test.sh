test "$(sh greet.sh Ada)" = '{"greeting": "hello, Ada"}'
