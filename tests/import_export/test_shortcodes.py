"""Shortcodes: known ones become Markdown, others stay unchanged."""

import pytest

from blog.import_export.markdown.shortcodes import to_markdown


@pytest.mark.parametrize(
    ("written", "markdown"),
    [
        ('{% image "assets/a.jpg" "A team" %}', "![A team](assets/a.jpg)"),
        ("{% image 'assets/a.jpg' 'A \"team\"' %}", '![A "team"](assets/a.jpg)'),
        ('{%image "a.jpg"%}', "![](a.jpg)"),
        ('{%- image "a.jpg" "b" -%}', "![b](a.jpg)"),
        ('{% image "a.jpg" "width-300px" "A list" %}', "![A list](a.jpg)"),
        ('{% image_with_class "a.jpg" "card" "Jeff (he/him)" %}', "![Jeff (he/him)](a.jpg)"),
        ('{% image_with_class "a.jpg" "card" "" %}', "![](a.jpg)"),
        ('{% image "a b (1).jpg" "x [y] z" %}', "![x \\[y\\] z](<a b (1).jpg>)"),
        ('{% image\n  "a.jpg"\n  "two\n  lines" %}', "![two lines](a.jpg)"),
        ('{{< figure src="/a.png" alt="b" >}}', "![b](/a.png)"),
        ('[x]({{ "/2016/01/x/" | url }})', "[x](/2016/01/x/)"),
        ("[x]({{ '/x/' | relative_url }})", "[x](/x/)"),
        ('<img src="{{site.baseurl}}/a.png" alt="">', '<img src="/a.png" alt="">'),
        ("[x]({{ site.baseurl }}/x) and [y]({{site.baseurl }}/y)", "[x](/x) and [y](/y)"),
        ("Write {% raw %}{{ page.url }}{% endraw %} here.", "Write {{ page.url }} here."),
        ('{% raw %}{% image "a" "b" %}{{ site.baseurl }}{% endraw %}', '{% image "a" "b" %}{{ site.baseurl }}'),
        ("Braces `{% raw %}{{{% endraw %} x }}` here", "Braces `{{ x }}` here"),
        ("before{% comment %} hidden\n\n# too {% endcomment %}after", "beforeafter"),
        ("{% highlight ruby %}\nputs 1\n{% endhighlight %}\n", "```ruby\nputs 1\n```\n"),
        ("{% highlight c++ linenos %}\nint x;\n{% endhighlight %}", "```c++\nint x;\n```"),
        ("{%\n highlight\n ruby\n%}\n{% raw\n%}{{ x }}\n{% endraw %}\n{%\n endhighlight\n%}", "```ruby\n{{ x }}\n\n```"),
        ("  {% highlight js %}\n  a\n  {% endhighlight %}", "  ```js\n  a\n  ```"),
        ("{% highlight md %}\n````\nx\n````\n{% endhighlight %}", "`````md\n````\nx\n````\n`````"),
    ],
)
def test_known_shortcodes_become_markdown(written: str, markdown: str) -> None:
    assert to_markdown(written) == markdown


def test_many_shortcodes_in_one_paragraph() -> None:
    assert to_markdown('{% image "a" "b" %}' * 10_000) == "![b](a)" * 10_000


def test_an_image_inside_html_becomes_an_img_element() -> None:
    written = 'Text\n<div class="x">{% image "a&b.jpg" "say \\"hi\\"" %}</div>\n\n{% image "c.jpg" "d" %}'
    expected = 'Text\n<div class="x"><img src="a&amp;b.jpg" alt="say &quot;hi&quot;"></div>\n\n![d](c.jpg)'
    assert to_markdown(written) == expected


@pytest.mark.parametrize(
    "written",
    [
        "No shortcodes { % here % }",
        "```liquid\n{% raw %}{{ x }}{% endraw %}\n{{ site.baseurl }}\n```\n",
        '~~~~\n{% image "a" "b" %}\n~~~\n{{ "/x/" | url }}\n~~~~\n',
        '- ```\n  {% image "a" "b" %}\n  ```\n',
        '> ```\n> {{ "/x/" | url }}\n> ```\n',
        '```\nnever closed\n{% comment %}x{% endcomment %}{{ "/x/" | url }}',
        "Use `{% comment %}` and `{% endcomment %}` to hide.",
        '``{{ "/x/" | url }} ` ``',
        '{{ "melody" | team_photo }} {{ image | url }} {{ page.title }}',
        '{% image "a.jpg" "one "two" three" %}',
        "{% image page.hero %}",
        "{% raw %} and no end {{ x }}",
        "{% comment %} and no end",
        "{% highlight ruby %}\nand no end\n",
        "inline {% highlight ruby %} x {% endhighlight %}",
        "{% assign release = site.data.releases | first %}{{ release.url.gz }}",
        '{{ youtube(id="x", autoplay=true) }} {{ basic() }}',
        '{{< figure src="a.png" link="/x/" >}} {{< tweet 1 >}}',
        "{% link ja/news/_posts/2019-01-01-x.md %}",
    ],
)
def test_everything_else_is_unchanged(written: str) -> None:
    assert to_markdown(written) == written


def test_shortcodes_after_fenced_code_are_converted() -> None:
    written = "```\n{{ site.baseurl }}\n```\n{{ site.baseurl }}/x `{{ site.baseurl }}` {{ site.baseurl }}/y"
    assert to_markdown(written) == "```\n{{ site.baseurl }}\n```\n/x `{{ site.baseurl }}` /y"


@pytest.mark.parametrize("piece", ["{% raw %}", "{% highlight x %}\n", "`", "``` `", '{% image "', "{{< figure a='", "![[", "> "])
def test_unclosed_shortcodes_take_linear_time(piece: str) -> None:
    written = piece * (200_000 // len(piece))
    assert to_markdown(written) == written
