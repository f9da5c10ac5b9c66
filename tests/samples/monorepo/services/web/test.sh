grep -q '<title>' index.html
