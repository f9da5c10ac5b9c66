from hypothesis import given
from hypothesis import strategies as st

from runner.workspace import layers

PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).map("/".__add__)


def test_the_lowest_layer_stands_last_and_the_features_are_spelt_out() -> None:
    options = layers.writable(["/source", "/a", "/b"], "/upper", "/work")

    assert options == (
        "lowerdir=/b:/a:/source,upperdir=/upper,workdir=/work,redirect_dir=on,metacopy=off,index=off,xino=off"
    )


def test_a_read_only_tree_follows_renamed_directories_and_has_no_place_to_write() -> None:
    assert layers.read_only(["/source", "/a"]) == (
        "lowerdir=/a:/source,redirect_dir=follow,metacopy=off,index=off,xino=off"
    )


def test_only_colon_comma_and_backslash_are_escaped() -> None:
    options = layers.writable(["/a:b,c\\d e\n'\"=%$ü"], "/u,", "/w:")

    assert options.startswith("lowerdir=/a\\:b\\,c\\\\d e\n'\"=%$ü,upperdir=/u\\,,workdir=/w\\:,redirect_dir=on")


@given(st.lists(PATHS, min_size=1))
def test_the_lower_layers_are_found_again_in_the_options(paths: list[str]) -> None:
    assert layers.lowers_of(layers.writable(paths, "/u", "/w")) == tuple(paths)
    assert layers.lowers_of(layers.read_only(paths)) == tuple(paths)


def test_other_options_have_no_layers() -> None:
    assert layers.lowers_of("") == ()
    assert layers.lowers_of("size=100m,uid=1000") == ()


def test_what_fits_is_measured_in_bytes() -> None:
    assert layers.fits("x" * layers.LIMIT)
    assert not layers.fits("x" * (layers.LIMIT + 1))
    assert not layers.fits("ü" * (layers.LIMIT // 2 + 1))


def test_the_limit_leaves_room_below_the_page_that_the_kernel_reads() -> None:
    assert layers.LIMIT < 4095


def test_as_many_of_the_lowest_layers_as_fit_are_split_off() -> None:
    paths = [f"/var/lib/docker/volumes/{number:019}/_data" for number in range(100)]

    count = layers.split(paths)

    assert layers.fits(layers.read_only(paths[:count]))
    assert not layers.fits(layers.read_only(paths[: count + 1]))
    assert count > 70


def test_layers_that_all_fit_are_not_split() -> None:
    assert layers.split(["/a", "/b", "/c"]) == 3


def test_a_single_path_is_never_split() -> None:
    assert layers.split(["/" + "x" * 5000, "/b"]) == 1
