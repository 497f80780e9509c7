"""Where the known sets of images of one size are published: their files with checksums, and their addresses.

The checksums are those that the publishers state, or in their place torchvision, or TensorFlow Datasets
(https://github.com/tensorflow/datasets), which fetched the same addresses.
"""

from intaglio.fetching.originals import Archive, DebianPackage, File, Folder, Installed, Originals

FASHION_MNIST = Originals(
    name="fashion_mnist",
    files=(
        File(
            "train-images-idx3-ubyte",
            47_040_016,
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        File(
            "train-labels-idx1-ubyte",
            60_008,
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        File(
            "t10k-images-idx3-ubyte",
            7_840_016,
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        File(
            "t10k-labels-idx1-ubyte",
            10_008,
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    sources=(
        Folder("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
        DebianPackage("dataset-fashion-mnist"),
    ),
)

DIGITS = Originals(
    name="digits",
    files=(File("digits.csv", 264_712, "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"),),
    sources=(Installed("sklearn", "datasets/data/digits.csv.gz"),),
)

CIFAR10 = Originals(
    name="cifar10",
    files=(
        File("data_batch_1.bin", 30_730_000, "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
        File("data_batch_2.bin", 30_730_000, "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
        File("data_batch_3.bin", 30_730_000, "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
        File("data_batch_4.bin", 30_730_000, "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
        File("data_batch_5.bin", 30_730_000, "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
        File("test_batch.bin", 30_730_000, "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
    ),
    sources=(
        Archive(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
    ),
    rejected={
        "data_batch_1": "is the Python version of CIFAR-10, whose pickle files can run code when read; "
        "use the binary version, cifar-10-binary.tar.gz",
    },
)

CIFAR100 = Originals(
    name="cifar100",
    # The checksums of the two files are stated in https://github.com/ankane/torchvision-ruby.
    files=(
        File("train.bin", 153_700_000, "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29"),
        File("test.bin", 30_740_000, "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a"),
    ),
    sources=(
        Archive(
            "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
            168_513_733,
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        ),
    ),
    rejected={
        "meta": "is the Python version of CIFAR-100, whose pickle files can run code when read; "
        "use the binary version, cifar-100-binary.tar.gz",
    },
)

MNIST = Originals(
    name="mnist",
    # Of the uncompressed files, as many projects state them; of the compressed ones torchvision has the MD5.
    files=(
        File(
            "train-images-idx3-ubyte",
            47_040_016,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        File(
            "train-labels-idx1-ubyte",
            60_008,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        File(
            "t10k-images-idx3-ubyte",
            7_840_016,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        File(
            "t10k-labels-idx1-ubyte",
            10_008,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    sources=(
        Folder("https://ossci-datasets.s3.amazonaws.com/mnist/"),
        Folder("https://storage.googleapis.com/cvdf-datasets/mnist/"),
        Folder("http://yann.lecun.com/exdb/mnist/"),
    ),
)

KMNIST = Originals(
    name="kmnist",
    files=(
        File(
            "train-images-idx3-ubyte.gz",
            18_165_135,
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            packed=True,
        ),
        File(
            "train-labels-idx1-ubyte.gz",
            29_497,
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            packed=True,
        ),
        File(
            "t10k-images-idx3-ubyte.gz",
            3_041_136,
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            packed=True,
        ),
        File(
            "t10k-labels-idx1-ubyte.gz",
            5_120,
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
            packed=True,
        ),
    ),
    inside={
        "train-images-idx3-ubyte": 47_040_016,
        "train-labels-idx1-ubyte": 60_008,
        "t10k-images-idx3-ubyte": 7_840_016,
        "t10k-labels-idx1-ubyte": 10_008,
    },
    sources=(Folder("http://codh.rois.ac.jp/kmnist/dataset/kmnist/"),),
)

EMNIST = Originals(
    name="emnist",
    files=(File("gzip.zip", 561_753_746, "58c8d27c78d21e728a6bc7b3cc06412e", packed=True),),
    inside={
        "emnist-balanced-train-images-idx3-ubyte": 88_435_216,
        "emnist-balanced-train-labels-idx1-ubyte": 112_808,
        "emnist-balanced-test-images-idx3-ubyte": 14_739_216,
        "emnist-balanced-test-labels-idx1-ubyte": 18_808,
    },
    sources=(Folder("https://biometrics.nist.gov/cs_links/EMNIST/"),),
)

SVHN = Originals(
    name="svhn",
    files=(
        File(
            "train_32x32.mat",
            182_040_794,
            "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
        ),
        File(
            "test_32x32.mat",
            64_275_384,
            "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
        ),
    ),
    sources=(Folder("http://ufldl.stanford.edu/housenumbers/"),),
)

STL10 = Originals(
    name="stl10",
    files=(
        File("train_X.bin", 138_240_000, "918c2871b30a85fa023e0c44e0bee87f"),
        File("train_y.bin", 5_000, "5a34089d4802c674881badbb80307741"),
        File("test_X.bin", 221_184_000, "7f263ba9f9e0b06b93213547f721ac82"),
        File("test_y.bin", 8_000, "36f9794fa4beb8a2c72628de14fa638e"),
    ),
    sources=(
        Archive(
            "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
            2_640_397_119,
            "f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866",
        ),
    ),
)
